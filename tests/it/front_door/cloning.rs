use super::{Clone, project, said, url, url_with};
use crate::access;
use crate::harness::{TestProject, git, git_command};

#[test]
fn clones_of_every_kind() {
    let project = project();
    let server = project.serve();
    let url = url(&server, "config.git");
    for number in 0..5 {
        server.put("/app/number", number.into());
    }
    for version in ["0", "1", "2"] {
        let version = format!("protocol.version={version}");
        let clone = Clone::with(&url, &["-c", &version]);
        assert!(clone.read("app.yaml").contains("number: 4"), "{version}");
        assert_eq!(clone.git(&["rev-list", "--count", "HEAD"]).trim(), "6");
        assert_eq!(clone.git(&["branch", "-r", "--format=%(refname:short)"]).lines().count(), 3);
    }
    let shallow = Clone::with(&url, &["--depth", "1"]);
    assert_eq!(shallow.git(&["rev-list", "--count", "HEAD"]).trim(), "1");
    shallow.git(&["fetch", "-q", "--unshallow"]);
    assert_eq!(shallow.git(&["rev-list", "--count", "HEAD"]).trim(), "6");
    let partial = Clone::with(&url, &["--filter=blob:none"]);
    assert!(partial.git(&["rev-list", "--objects", "--missing=print", "HEAD"]).contains('?'));
    assert!(partial.git(&["show", "HEAD~5:app.yaml"]).contains("host: h0"));
    // What came meanwhile is fetched; that of the server itself is hidden.
    server.put("/app/number", 9.into());
    shallow.git(&["pull", "-q"]);
    assert!(shallow.read("app.yaml").contains("number: 9"));
    let mirror = tempfile::tempdir().unwrap();
    git(mirror.path(), &["clone", "-q", "--mirror", &url, "m"]);
    assert_eq!(git(&mirror.path().join("m"), &["for-each-ref", "refs/confgit"]), "");
}

#[test]
fn keys_open_the_door_and_nothing_else() {
    let project = project();
    let server = project.serve();
    let address = &server.address;
    let here = std::path::Path::new("/");
    let listed = |url: &str| git_command(here).args(["ls-remote", url]).output().unwrap();
    for url in [
        url(&server, "config.git"),
        format!("http://{}@{address}/config.git", server.key),
        format!("http://x:{}@{address}/p/project/config.git", server.key),
        url(&server, "meta.git"),
    ] {
        let output = listed(&url);
        assert!(output.status.success() && said(&output).contains("refs/heads/main"), "{}", said(&output));
    }
    for url in [format!("http://{address}/config.git"), format!("http://x:wrong@{address}/config.git")] {
        let output = listed(&url);
        assert!(!output.status.success(), "{}", said(&output));
    }
    let target = "/config.git/info/refs?service=git-upload-pack";
    let answer = server.request("GET", target, &[("Authorization", "")], b"").expect(401);
    assert!(answer.header("www-authenticate").unwrap().starts_with("Basic "));
    // A password is a key here, and nowhere else.
    let basic = "Basic eDp4";
    server.request("GET", "/v1/config/app", &[("Authorization", basic)], b"").expect(401);
    for target in
        ["/config.git", "/config.git/HEAD", "/config.git/info/refs", "/config.git/objects/info/packs"]
    {
        let answer = server.get(target).expect(404);
        assert!(answer.text().contains("smart HTTP"), "{}", answer.text());
    }
    server.get("/config.git/git-receive-pack").expect(405);
    server.request("POST", "/config.git/git-upload-pack", &[], b"0000").expect(415);
}

#[test]
fn who_may_read_a_part_cannot_clone() {
    let project: TestProject = access::project();
    let server = project.serve();
    let refused = |account: &str, repository: &str| {
        let url = url_with(&server, &access::key(account), repository);
        let output = git_command(std::path::Path::new("/")).args(["ls-remote", &url]).output().unwrap();
        assert!(!output.status.success(), "{account} {repository}");
        said(&output)
    };
    let told = refused("dana", "config.git");
    assert!(
        told.contains("403") && told.contains("only a part") && told.contains("confgit export"),
        "{told}"
    );
    refused("gone", "config.git");
    refused("omar", "meta.git");
    Clone::of(&server, &access::key("omar"));
    let told = |what: &str| server.get(&format!("/api/audit?what={what}&limit=100")).expect(200).text();
    assert!(told("refused").contains("dana"), "{}", told("refused"));
    assert!(told("exported").contains("omar"), "{}", told("exported"));
}
