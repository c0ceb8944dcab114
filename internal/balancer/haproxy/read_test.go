package haproxy

import (
	"testing"
)

const reply = `
1
# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight
3 www 1 app01 127.0.0.1 2 0 1 1
3 www 2 app02 - 0 33 100 1

# pxname,svname,qcur,qmax,scur,status,last_chk,
www,app01,2,0,5,UP,"said ""no"",
twice",
www,app02,0,0,0,MAINT (resolution),,
gone,app03,0,0,0,UP,,

`

func TestParseServers(t *testing.T) {
	all, err := parseServers(reply)
	if err != nil {
		t.Fatal(err)
	}
	if s := all["www"]["app01"]; s != (server{op: 2, weight: 1, sessions: 7, counted: true}) {
		t.Errorf("app01 is %+v", s)
	}
	if s := all["www"]["app02"]; !s.forced() || s.up() {
		t.Errorf("app02 is %+v", s)
	}
	if len(all) != 1 {
		t.Errorf("%v", all)
	}
}

// A name that does not resolve is nobody's decision.
func TestUnresolvedIsDownAndNotOut(t *testing.T) {
	if s := (server{admin: 0x20, weight: 1}); s.out() || s.up() {
		t.Errorf("%+v", s)
	}
}

func FuzzParseServers(f *testing.F) {
	f.Add(reply)
	f.Add("\n# be_id be_name srv_name srv_op_state srv_admin_state srv_uweight\n\n# ")
	f.Add("\n1\n# be_id be_name srv_name srv_op_state srv_admin_state srv_uweight\n\n# pxname,svname,qcur,scur\n")
	f.Fuzz(func(t *testing.T, reply string) {
		all, err := parseServers(reply)
		if err != nil {
			return
		}
		for backend, servers := range all {
			for name, s := range servers {
				if backend == "" || name == "" || s.counted && s.sessions < 0 {
					t.Errorf("%q/%q is %+v", backend, name, s)
				}
			}
		}
	})
}

func TestNearest(t *testing.T) {
	known := map[string]int{"www": 0, "api": 0, "www-static": 0, "admin": 0, "images": 0, "wwww": 0}
	if got := nearest("ww", known); got[0] != "www" || len(got) != nearestListed {
		t.Errorf("%q", got)
	}
	if got := nearest("x", map[string]int{}); got != nil {
		t.Errorf("%q", got)
	}
}
