"""``python -m mysense.channels.influxdb publish --hostname … --user … --password_file …``"""

from mysense import tryout

tryout.channel("influxdb")
