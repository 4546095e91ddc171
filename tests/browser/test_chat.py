#!/usr/bin/env python3
"""The demo site's chat, as two people in a browser use it. Leaves pictures of it behind, in the
folder that WEFT_PICTURES names."""
import os
import tempfile
import unittest

from chromium import Chromium
from test_cli import Server

PICTURES = os.environ.get("WEFT_PICTURES") or tempfile.gettempdir()


def texts(page):
    return page.evaluate("[...document.querySelectorAll('#log .text')].map(e => e.textContent)")


def come_in(browser, server, name):
    page = browser.open(f"http://127.0.0.1:{server.port}/chat")
    page.type("#name", name)
    page.wait_for("!document.querySelector('#say button').disabled")
    return page


class Chat(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.browser = Chromium().__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.browser.__exit__()
        status, err = cls.server.stop()
        assert (status, err) == (0, ""), (status, err)

    def test_two_tabs_chat(self):
        ann = come_in(self.browser, self.server, "Ann")
        ben = come_in(self.browser, self.server, "Ben")
        ann.wait_for("document.body.innerText.includes('Ben has come in')")
        ann.type("#text", "Hello, Ben! <b>plain</b> ✓")
        ben.wait_for("document.querySelector('#log .text')")
        ben.type("#text", "Hello, Ann.")
        ann.wait_for("document.querySelectorAll('#log .text').length === 2")
        ben.wait_for("document.querySelectorAll('#log .text').length === 2")
        said = ["Hello, Ben! <b>plain</b> ✓", "Hello, Ann."]
        self.assertEqual([texts(ann), texts(ben)], [said, said])
        for page, own in ((ann, said[0]), (ben, said[1])):
            self.assertEqual(page.evaluate("document.querySelector('.own .text').textContent"), own)
            page.wait_for("/^2 here · [\\d.]+ ms there and back$/"
                          ".test(document.querySelector('#state').textContent)")
            self.assertEqual(page.errors, [])
        for name, dark in (("light", False), ("dark", True)):
            ann.screenshot(os.path.join(PICTURES, f"chat-{name}.png"), dark)
        ann.screenshot(os.path.join(PICTURES, "chat-narrow.png"), True, 380, 700)
        ben.close()
        ann.wait_for("document.body.innerText.includes('Ben has left')")
        late = come_in(self.browser, self.server, "Late")  # who comes later is told
        late.wait_for("document.querySelectorAll('#log .text').length === 2")
        self.assertEqual(texts(late), said)
        late.close()
        ann.close()

    def test_the_door(self):
        page = self.browser.open(f"http://127.0.0.1:{self.server.port}/chat")
        page.screenshot(os.path.join(PICTURES, "chat-door.png"))
        self.assertEqual(page.errors, [])
        page.close()

    def test_the_front_page_leads_there(self):
        page = self.browser.open(f"http://127.0.0.1:{self.server.port}/")
        page.evaluate("document.querySelector('a[href=\"/chat\"]').click()")
        page.wait_for("location.pathname === '/chat' && document.querySelector('#join')")
        page.close()


if __name__ == "__main__":
    unittest.main()
