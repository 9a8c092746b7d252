"""What the dog says aloud: lines turned into sound, a bark, and the ways to play them."""
