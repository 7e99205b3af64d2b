"""``python -m mysense.channels.ttn subscribe …``"""

from mysense import tryout

tryout.channel("ttn")
