package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// closeWithin is how long a web server waits for answers under way when it closes.
const closeWithin = time.Second

// nowhere takes what the standard library would log about clients that went away.
var nowhere = log.New(io.Discard, "", 0)

// webServer is an HTTP server on a free port of 127.0.0.1.
type webServer struct {
	port    int
	server  *http.Server
	serving sync.WaitGroup
	failed  error // of serving; read after serving has ended
}

func serveHTTP(content http.Handler) (*webServer, error) {
	listener, err := net.Listen("tcp", host+":0")
	if err != nil {
		return nil, err
	}
	s := &webServer{
		port: listener.Addr().(*net.TCPAddr).Port,
		server: &http.Server{
			Handler:           content,
			ErrorLog:          nowhere,
			ReadHeaderTimeout: 10 * time.Second,
		},
	}
	s.serving.Go(func() {
		if err := s.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.failed = fmt.Errorf("cannot serve on port %d: %w", s.port, err)
		}
	})
	return s, nil
}

// Close lets answers under way finish, if they do so soon, and waits for the end.
func (s *webServer) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeWithin)
	defer cancel()
	err := s.server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.server.Close()
	}
	s.serving.Wait()
	return errors.Join(err, s.failed)
}
