"""``python -m mysense.channels.influxlisten subscribe --port … --user … --password_file …``"""

from mysense import tryout

tryout.channel("influxlisten")
