#!/bin/sh
# deb and rpm: after the files are there. Braces after a dollar sign are filled in by electron-builder.
set -e

app='/opt/${sanitizedProductName}'
ln -sf "$app/${executable}" /usr/bin/postern-desktop

# Chromium's own sandbox: through user namespaces where the kernel gives them, else by this program
if { unshare --user true || [ -f /etc/apparmor.d/abi/4.0 ]; } 2>/dev/null; then
  chmod 0755 "$app/chrome-sandbox"
else
  chmod 4755 "$app/chrome-sandbox"
fi
# Ubuntu 24 gives user namespaces to programs with a profile only
if [ -f /etc/apparmor.d/abi/4.0 ] && apparmor_parser --skip-kernel-load --debug "$app/resources/apparmor-profile" >/dev/null 2>&1; then
  cp -f "$app/resources/apparmor-profile" /etc/apparmor.d/postern
  if hash aa-enabled 2>/dev/null && aa-enabled --quiet; then apparmor_parser --replace --write-cache --skip-read-cache /etc/apparmor.d/postern; fi
fi

if hash update-desktop-database 2>/dev/null; then update-desktop-database /usr/share/applications || true; fi
if hash gtk-update-icon-cache 2>/dev/null; then gtk-update-icon-cache --quiet --ignore-theme-index /usr/share/icons/hicolor || true; fi

# an upgrade: a service that an administrator installed goes on with the new files
if [ -d /run/systemd/system ] && [ -f /etc/systemd/system/postern.service ]; then
  install -o root -g root -m 0644 "$app/resources/service/postern.service" /etc/systemd/system/postern.service
  systemctl daemon-reload
  systemctl try-restart postern.service || echo 'postern: the service did not start again; see `systemctl status postern`' >&2
fi
