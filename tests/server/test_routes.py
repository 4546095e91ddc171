#!/usr/bin/env python3
"""What a configuration's routes lead to, as clients see it."""
import http.client
import threading
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from running import PATIENCE, Supervised

SITE = """
listen: [ "127.0.0.1:PORT" ]
routes:
  - { path: /, static: ./, methods: [ GET ] }
  - { path: /files, static: ./files, index: main.txt, listing: on, precompressed: on,
      cache_control: "max-age=60" }
  - { path: /bare, static: ./files, index: "" }
  - { path: /ping, respond: { body: "pong\\n", type: text/plain, status: 202 } }
  - { path: "/old/{rest...}", redirect: "/new/{rest}", status: 301 }
  - { path: /secret, respond: { body: open }, basic_auth: { users: { alice: wonderland } } }
  - { path: /limited, respond: { body: one }, rate_limit: { per_second: 1, burst: 1 } }
  - { path: /post, handler: echo, max_body: 4, methods: [ POST ] }
  - { path: /api, proxy: [ "http://127.0.0.1:UPSTREAM" ] }
  - { path: /stripped, proxy: [ "http://127.0.0.1:UPSTREAM" ],
      upstream: { strip_prefix: on, pass_host: off } }
hosts:
  - names: [ other.test, "*.wild.test" ]
    headers: { X-Host: other }
    routes: [ { path: /ping, respond: { body: "other\\n" } } ]
request_id: on
"""


class Upstream(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = f"{self.path} {self.headers['Host']} {self.headers['X-Forwarded-For']}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class Routes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.upstream = ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
        cls.upstream.daemon_threads = True
        threading.Thread(target=cls.upstream.serve_forever, daemon=True).start()
        cls.port = cls.upstream.server_address[1]
        cls.server = Supervised(SITE.replace("UPSTREAM", str(cls.port)),
                                [("hello.txt", "hello"), ("files/app.js", "plain"),
                                 ("files/app.js.gz", "gzipped"), ("files/sub/main.txt", "main")],
                                ready_status=202).start()

    @classmethod
    def tearDownClass(cls):
        cls.server.stop()
        cls.upstream.shutdown()
        cls.upstream.server_close()

    def request(self, method, path, body=None, **headers):
        client = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=PATIENCE)
        self.addCleanup(client.close)
        client.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
        answer = client.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read().decode()

    def test_files_and_fixed_answers(self):
        self.assertEqual(self.request("GET", "/hello.txt")[::2], (200, "hello"))
        self.assertEqual(self.request("POST", "/hello.txt")[0], 405)
        status, headers, body = self.request("GET", "/ping")
        self.assertEqual((status, headers["Content-Type"], body), (202, "text/plain", "pong\n"))
        self.assertIn("X-Request-Id", headers)

    def test_options_of_files(self):
        status, headers, body = self.request("GET", "/files/app.js", Accept_Encoding="gzip")
        self.assertEqual((status, body), (200, "gzipped"))
        self.assertEqual(headers["Content-Encoding"], "gzip")
        self.assertEqual(headers["Cache-Control"], "max-age=60")
        self.assertEqual(headers["Vary"], "Accept-Encoding")
        self.assertEqual(self.request("GET", "/files/app.js")[2], "plain")
        self.assertEqual(self.request("GET", "/files/sub/")[2], "main")
        status, headers, body = self.request("GET", "/files/")
        self.assertEqual((status, headers["Content-Type"]), (200, "text/html; charset=utf-8"))
        self.assertIn("href='./app.js'", body)
        # without these keys: none of it
        status, headers, body = self.request("GET", "/bare/app.js", Accept_Encoding="gzip")
        self.assertEqual((status, body), (200, "plain"))
        self.assertNotIn("Vary", headers)
        self.assertNotIn("Cache-Control", headers)
        self.assertEqual(self.request("GET", "/bare/")[0], 404)
        self.assertEqual(self.request("GET", "/bare/sub/")[0], 404)

    def test_folders_of_files_are_at_their_slash(self):
        for path, there in (("/files", "/files/"), ("/files?a=b", "/files/?a=b"),
                            ("/files/sub?a", "/files/sub/?a")):
            status, headers, _ = self.request("GET", path)
            self.assertEqual((status, headers["Location"]), (301, there))

    def test_redirects_keep_the_rest_and_the_query(self):
        status, headers, _ = self.request("GET", "/old/a%20b/c?x=1")
        self.assertEqual((status, headers["Location"]), (301, "/new/a%20b/c?x=1"))

    def test_hosts_have_routes_of_their_own_and_share_the_others(self):
        for name in ["other.test", "OTHER.test:80", "a.wild.test"]:
            status, headers, body = self.request("GET", "/ping", Host=name)
            self.assertEqual((status, headers.get("X-Host"), body), (200, "other", "other\n"))
        self.assertEqual(self.request("GET", "/hello.txt", Host="other.test")[2], "hello")

    def test_middleware_of_a_route(self):
        self.assertEqual(self.request("GET", "/secret")[0], 401)
        self.assertEqual(self.request("GET", "/secret",
                                      Authorization="Basic YWxpY2U6d29uZGVybGFuZA==")[2], "open")
        self.assertEqual([self.request("GET", "/limited")[0] for _ in range(2)], [200, 429])
        self.assertEqual(self.request("POST", "/post", "1234")[0], 200)
        self.assertEqual(self.request("POST", "/post", "12345")[0], 413)

    def test_proxies_say_who_asks(self):
        self.assertEqual(self.request("GET", "/api/x?y", Host="front.test")[2],
                         "/api/x?y front.test 127.0.0.1")
        self.assertEqual(self.request("GET", "/api", Host="front.test")[2],
                         "/api front.test 127.0.0.1")
        self.assertEqual(self.request("GET", "/stripped/x")[2],
                         f"/x 127.0.0.1:{self.port} 127.0.0.1")


if __name__ == "__main__":
    unittest.main(verbosity=1)
