set +e
echo "clock $(date +%s)"

# The folder, or the nearest one above it that is there, must be writable.
d=$FOLDER
while [ ! -e "$d" ] && [ "$d" != / ]; do d=$(dirname "$d"); done
if [ -w "$d" ] && [ -x "$d" ]; then
  echo "folder ok $FOLDER can be written"
else
  echo "folder problem $d does not belong to $(id -un) || give it to that user: sudo install -d -o $(id -un) $FOLDER"
fi

printf '%s\n' "$LINKS" | while IFS= read -r link; do
  [ -n "$link" ] || continue
  if [ -e "$FOLDER/shared/$link" ]; then
    echo "link ok shared/$link is there"
  else
    echo "link problem $FOLDER/shared/$link does not exist, and is linked into every release || make it there: it is the node's own and never sent"
  fi
done

if [ -n "$GROUP_NAME" ] && ! id -Gn | tr ' ' '\n' | grep -qx "$GROUP_NAME" && [ "$(id -u)" != 0 ]; then
  echo "folder problem $(id -un) is not in the group $GROUP_NAME || sudo usermod -aG $GROUP_NAME $(id -un)"
fi

printf '%s\n' "$PROGRAMS" | sort -u | while IFS= read -r program; do
  [ -n "$program" ] || continue
  if command -v "$program" >/dev/null 2>&1; then
    echo "activate ok $program is there"
  elif [ -e "$FOLDER/current" ] && (cd "$FOLDER/current" && command -v "$program" >/dev/null 2>&1); then
    echo "activate ok $program is in the release"
  else
    echo "activate problem $program is not on the PATH of $(id -un) || install it there, or name it by its whole path"
  fi
done

printf '%s\n' "$SUDO" | while IFS= read -r line; do
  [ -n "$line" ] || continue
  # shellcheck disable=SC2086 # its words are the command's
  if sudo -n -l $line >/dev/null 2>&1; then
    echo "activate ok sudo allows: $line"
  else
    echo "activate problem sudo does not let $(id -un) run without a password: $line || add it to sudoers with NOPASSWD"
  fi
done

# Would the web server follow a switch?
if [ "$LAYOUT" != inplace ]; then
  if [ -r /etc/nginx/nginx.conf ] && grep -rqs "$FOLDER/current" /etc/nginx; then
    if grep -rqs "fastcgi_pass" /etc/nginx && ! grep -rqs 'realpath_root' /etc/nginx; then
      echo 'web warning nginx hands PHP the path of the link, and PHP keeps what it led to || use $realpath_root in fastcgi_param SCRIPT_FILENAME and DOCUMENT_ROOT'
    fi
    if grep -rqsE 'open_file_cache[[:space:]]+max' /etc/nginx; then
      echo "web warning nginx keeps open files (open_file_cache) and may serve old ones for a while || turn it off beneath $FOLDER"
    fi
    if grep -rqsE 'disable_symlinks[[:space:]]+(on|if_not_owner)' /etc/nginx; then
      echo "web problem nginx does not follow links (disable_symlinks) || set disable_symlinks off for $FOLDER"
    fi
  fi
  if [ -z "$ACTIVATES" ] && grep -rqsE '^[[:space:]]*opcache\.validate_timestamps[[:space:]]*=[[:space:]]*(0|[Oo]ff)' /etc/php; then
    echo "web problem PHP never looks whether a file has changed (opcache.validate_timestamps=0), and nothing is activated after a switch || activate: sudo systemctl reload php-fpm"
  fi
fi
exit 0
