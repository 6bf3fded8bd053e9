#!/bin/sh
# What the service keeps (/var/lib/postern: log, vault, recordings) is never removed by a package.
set -e
case $1 in
  upgrade | failed-upgrade | 1 | 2) exit 0 ;;
esac
rm -f /usr/bin/postern-desktop /etc/apparmor.d/postern /etc/systemd/system/postern.service
if [ -d /run/systemd/system ]; then systemctl daemon-reload || true; fi
