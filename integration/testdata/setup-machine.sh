#!/bin/sh
# Runs extdisco setup on this machine's own paths, in namespaces where nothing of the
# machine can be changed: TestIntegrationSetupMachine. $1 is extdisco, $2 an empty folder, $3
# the folder with modules for tests.
#
# Prosody, coturn and extdisco are real. systemd is not there: a script called systemctl
# restarts the two services.
set -eu
extdisco=$1 work=$2 plugins=$3
ip link set lo up

cp -a /etc "$work/etc"
rm -rf "$work/etc/extdisco"
mount --bind "$work/etc" /etc
for folder in /run /var/lib /var/log /usr/local/lib; do
	mount -t tmpfs none "$folder"
done
mkdir -p /run/systemd/system /run/bin /run/prosody /var/lib/prosody /var/log/prosody
chown prosody: /run/prosody /var/lib/prosody /var/log/prosody

cat > /etc/prosody/conf.d/meet.cfg.lua <<-END
	VirtualHost "meet.example.org"
	    authentication = "anonymous"
END
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=meet.example.org \
	-keyout /etc/prosody/certs/meet.example.org.key -out /etc/prosody/certs/meet.example.org.crt 2>/dev/null
chown prosody /etc/prosody/certs/*
cp -a /etc/prosody "$work/before"

cat > /run/bin/systemctl <<-END
	#!/bin/sh
	stop() {
	    if [ -f "\$1" ]; then
	        kill "\$(cat "\$1")"
	        while kill -0 "\$(cat "\$1")" 2>/dev/null; do sleep 0.05; done
	        rm -f "\$1"
	    fi
	}
	case "\$1 \$2" in
	"restart prosody")
	    stop /run/test-prosody.pid
	    su -s /bin/sh prosody -c 'exec /usr/bin/prosody -F' >/run/prosody.out 2>&1 &
	    echo \$! > /run/test-prosody.pid ;;
	"restart extdisco")
	    stop /run/test-extdisco.pid
	    "$extdisco" serve --config /etc/extdisco/config.toml >/run/extdisco.log 2>&1 &
	    echo \$! > /run/test-extdisco.pid ;;
	esac
END
chmod +x /run/bin/systemctl
PATH=/run/bin:$PATH

cat > /run/turnserver.conf <<-END
	listening-ip=127.0.0.1
	relay-ip=127.0.0.1
	use-auth-secret
	static-auth-secret=$SHARED_SECRET
	realm=turn.example.org
	allow-loopback-peers
	cli-password=none
	no-tls
	no-dtls
	pidfile=/run/turnserver.pid
	log-file=stdout
END
printf '%s\n' "$SHARED_SECRET" > /run/secret

setup() {
	status=0
	"$extdisco" setup "$@" --turn-server stun:127.0.0.1 --turn-server "turn:127.0.0.1?transport=udp" \
		--turn-server "turn:127.0.0.1?transport=tcp" --turn-secret-file /run/secret 2>&1 || status=$?
	echo "status $status"
}
unchanged() {
	diff -r "$work/before" /etc/prosody && [ -z "$(find /etc/extdisco /usr/local/lib -mindepth 1)" ] && echo "as it was before"
}

# jitsi adds the hosts of Jitsi Meet to the domain, with the modules of the tests in $1, where
# the focus creates rooms from the third time on, as if it were back only then.
jitsi() {
	cp "$1"/mod_*.lua /usr/local/lib/prosody/modules/
	sed -i '/create_room/s/^/if not prosody.asked or prosody.asked < 2 then prosody.asked = (prosody.asked or 0) + 1; return; end\n/' \
		/usr/local/lib/prosody/modules/mod_client_proxy.lua
	cat > /etc/prosody/conf.d/meet.cfg.lua <<-END
		VirtualHost "meet.example.org"
		    authentication = "jitsi-anonymous"
		    modules_enabled = { "features_identity" }
		Component "conference.meet.example.org" "muc"
		    restrict_room_creation = true
		    muc_room_locking = false
		Component "focus.meet.example.org" "client_proxy"
		Component "metadata.meet.example.org" "room_metadata_component"
		    muc_component = "conference.meet.example.org"
	END
}

echo "== broken =="
echo 'x = = 1' > /etc/prosody/conf.d/broken.cfg.lua
setup --yes
rm /etc/prosody/conf.d/broken.cfg.lua
unchanged

echo "== no =="
echo n | setup
unchanged

echo "== no relay =="
printf 'y\ny\n' | setup
unchanged

echo "== good =="
turnserver -c /run/turnserver.conf >/run/turnserver.log 2>&1 &
while ! timeout 1 turnutils_stunclient 127.0.0.1 >/dev/null 2>&1; do sleep 0.05; done
setup --yes
stat -c '%U:%G %a %n' /etc/prosody/conf.d/extdisco.cfg.lua /etc/extdisco/secrets /etc/extdisco/secrets/*
"$extdisco" setup --yes
"$extdisco" setup --undo --yes
unchanged

echo "== jitsi =="
mkdir -p /usr/local/lib/prosody/modules
jitsi "$plugins"
setup --yes
