"""``python -m mysense.channels.influxdb publish | subscribe --hostname … --user … --password_file …``"""

from mysense import tryout

tryout.channel("influxdb")
