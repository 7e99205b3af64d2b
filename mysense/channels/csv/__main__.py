"""``python -m mysense.channels.csv publish …``"""

from mysense import tryout

tryout.channel("csv")
