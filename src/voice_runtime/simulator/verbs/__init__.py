"""What a carrier does for each verb of TwiML."""
