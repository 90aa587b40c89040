"""Who has the floor: pure machines that take typed events and the time, and say what follows."""
