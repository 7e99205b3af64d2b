"""``python -m mysense.channels.mqtt publish | subscribe --hostname … --user … --password_file …``"""

from mysense import tryout

tryout.channel("mqtt")
