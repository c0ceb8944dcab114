package fleet

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"
)

const apacheConfig = `ServerRoot "%[1]s"
ServerName localhost
Listen %[2]s
PidFile "%[1]s/pid"
ErrorLog "%[1]s/error.log"
LoadModule mpm_prefork_module %[3]s/mod_mpm_prefork.so
LoadModule authz_core_module %[3]s/mod_authz_core.so
LoadModule dav_module %[3]s/mod_dav.so
LoadModule dav_svn_module %[3]s/mod_dav_svn.so
StartServers 4
# What a worker remembers of the repository would outlive a round.
MaxConnectionsPerChild 1
%[4]s
<Location /repo>
	DAV svn
	SVNPath "%[5]s"
	Require all granted
</Location>
`

// apacheUser is who Apache's workers are where it is started by root: it refuses to
// serve as root.
const apacheUser = "www-data"

// startApache starts one process a connection over the world's repository, and gives its address.
func (w *DeskWorld) startApache() string {
	w.t.Helper()
	dir := w.Path("apache")
	w.check(os.MkdirAll(dir, 0o755))
	user := ""
	if os.Getuid() == 0 {
		user = fmt.Sprintf("User %[1]s\nGroup %[1]s", apacheUser)
		w.check(os.Chmod(w.Dir, 0o755))
		w.check(os.Chmod(w.Path("server"), 0o777))
		w.Shell("", "chown", "-R", apacheUser, w.Path("repo"))
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	w.check(err)
	address := free.Addr().String()
	w.check(free.Close())
	config := fmt.Sprintf(apacheConfig, dir, address, "/usr/lib/apache2/modules", user, w.Path("repo"))
	w.check(os.WriteFile(w.Path("apache", "httpd.conf"), []byte(config), 0o600))
	c := exec.Command("/usr/sbin/apache2", "-DFOREGROUND", "-f", w.Path("apache", "httpd.conf"))
	c.Env = w.plain()
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	w.check(c.Start())
	w.t.Cleanup(func() {
		_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
		_ = c.Wait()
	})
	w.Eventually("Apache", func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return address
}
