// An HTTPS server of Go's standard library, for ./dev bench tls: main ADDRESS CERT KEY FOLDER
package main

import (
	"fmt"
	"net/http"
	"os"
)

func main() {
	http.HandleFunc("/plaintext", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		fmt.Fprint(w, "Hello, World!")
	})
	http.Handle("/static/", http.StripPrefix("/static/", http.FileServer(http.Dir(os.Args[4]))))
	server := &http.Server{Addr: os.Args[1]}
	fmt.Fprintln(os.Stderr, server.ListenAndServeTLS(os.Args[2], os.Args[3]))
	os.Exit(1)
}
