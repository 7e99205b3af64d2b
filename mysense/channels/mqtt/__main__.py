"""``python -m mysense.channels.mqtt publish …``"""

from mysense import tryout

tryout.channel("mqtt")
