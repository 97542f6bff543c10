//! Another implementation of Git: Dulwich, which shares no code with the one that the server asks for help.

use std::process::Command;

use super::{assert_clean, project, url_with};
use crate::harness::python;

const SCRIPT: &str = r#"
import pathlib, sys
from dulwich import porcelain
from dulwich.porcelain import Error
url, folder = sys.argv[1:3]
repo = porcelain.clone(url, folder)
file = pathlib.Path(folder) / "app.yaml"
def commit(text, message):
    file.write_text(text)
    porcelain.add(repo, [str(file)])
    porcelain.commit(repo, message=message, author=b"ann <ann@example.org>", committer=b"ann <ann@example.org>")
def push(spec):
    result = porcelain.push(repo, url, spec)
    for name, status in (result.ref_status or {}).items():
        print(name.decode(), "ok" if status is None else status)
commit("host: dulwich\nport: 1\n", b"by another client")
push(b"refs/heads/main:refs/heads/main")
commit("host: proposed\nport: 1\n", b"propose it")
push(b"refs/heads/main:refs/for/base")
commit("host: proposed\nport: 70000\n", b"break it")
try:
    push(b"refs/heads/main:refs/heads/main")
except Exception as error:
    print("refused:", type(error).__name__)
porcelain.fetch(repo, url)
print("fetched")
"#;

#[test]
fn another_implementation_clones_pushes_proposes_and_is_refused() {
    let project = project();
    let server = project.serve();
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path().join("clone");
    let url = url_with(&server, &server.key, "config.git");
    let output = Command::new(python())
        .args(["-c", SCRIPT, &url])
        .arg(&folder)
        .env("HOME", temp.path())
        .output()
        .unwrap();
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}{errors}");
    assert_eq!(server.get("/v1/config/app/host").expect(200).text(), "\"dulwich\"", "{said}{errors}");
    let proposal = server.get("/api/proposals/1").expect(200).json();
    assert_eq!((&proposal["title"], &proposal["state"]), (&"propose it".into(), &"open".into()), "{said}");
    assert_eq!(server.get("/v1/config/app/port").expect(200).text(), "1");
    assert!(said.contains("fetched"), "{said}{errors}");
    assert!(
        errors.contains("app/port") || said.contains("not valid") || said.contains("refused"),
        "{said}{errors}"
    );
    server.stop();
    assert_clean(&project);
}
