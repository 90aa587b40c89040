#!/bin/sh
# Makes the caller's recorded speech again: src/voice_runtime/simulator/clips/*.wav. Needs flite and sox (apt).
# The same versions give the same bytes: sox -D keeps its dither, which is random, out.
set -eu

voice=rms # the flite voice that pocketsphinx understands best on the telephone
out="$(dirname "$0")/../src/voice_runtime/simulator/clips"
wide="$(mktemp --suffix .wav)"
trap 'rm -f "$wide"' EXIT

clip() {
    flite -voice "$voice" -t "$2" -o "$wide"
    # 8 kHz mu-law, without the hum that a telephone does not carry, peak at -6 dBFS.
    sox -D "$wide" -r 8000 -c 1 -e mu-law -b 8 "$out/$1.wav" highpass 200 norm -6
}

clip hello "hello i want to know where my parcel is"
clip where-is-my-parcel "where is my parcel"
clip order-7216 "seven two one six"
clip order-6312 "my order number is six three one two"
clip yes "yes"
clip no "no"
clip yes-that-is-right "yes that is right"
clip no-that-is-wrong "no that is wrong"
clip change-to-friday "change the delivery to friday"
clip change-to-monday "change the delivery to monday"
clip no-thank-you "no thank you"
clip thank-you-goodbye "thank you goodbye"
clip goodbye "goodbye"
clip off-topic "i would like to order two large pizzas with extra cheese"
