#!/bin/sh
# deb: `remove` or `upgrade`; rpm: how many versions stay. On an upgrade the service is left alone.
set -e
case $1 in
  upgrade | failed-upgrade | 1 | 2) exit 0 ;;
esac
if [ -d /run/systemd/system ] && [ -f /etc/systemd/system/postern.service ]; then
  systemctl disable --now postern.service || true
fi
