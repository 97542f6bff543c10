"""Tries an operation of /docs in a real browser, with a key, as a person would.

usage: browser_docs.py URL KEY"""

import sys

from playwright.sync_api import expect, sync_playwright

url, key = sys.argv[1:]
with sync_playwright() as playwright:
    arguments = ["--no-sandbox", "--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
    browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=arguments)
    page = browser.new_page()
    complaints = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{url}/docs")

    page.get_by_role("button", name="Authorize").first.click()
    page.get_by_label("auth-bearer-value").fill(key)
    page.get_by_role("button", name="Apply credentials").first.click()
    page.get_by_role("button", name="Close").first.click()

    for path, value in [("myapp/database/pool_size", "10"), ("paths/a%2Fb", '"a slash in a key"')]:
        operation = page.locator("#operations-entries-read_value")
        if operation.locator(".opblock-body").count() == 0:
            operation.locator(".opblock-summary").click()
            operation.get_by_role("button", name="Try it out").click()
        operation.locator("tr[data-param-name=path] input").fill(path)
        with page.expect_response(lambda response: "/v1/config/" in response.url) as answered:
            operation.get_by_role("button", name="Execute").click()
        answer = answered.value
        assert answer.url.split("?")[0].endswith(f"/v1/config/{path}"), answer.url
        assert answer.request.headers["authorization"] == f"Bearer {key}"
        assert (answer.status, answer.text()) == (200, value), (answer.status, answer.text())
        expect(operation.get_by_role("cell", name="200").first).to_be_visible()
    assert not complaints, complaints
    browser.close()
