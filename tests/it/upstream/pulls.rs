//! Pull requests of a forge, of which a stand-in has the API and a bare repository the commits.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::{Value, json};

use super::stand_in::{BITBUCKET, GITEA, GITHUB, GITLAB, Kind, StandIn, TOKEN};
use super::{Forge, SECRET, app, hint, upstream};
use crate::harness::{Server, TestProject, git_command, wait_for};
use crate::watch::Stream;

/// A forge with an API.
struct Site {
    forge: Forge,
    api: StandIn,
}

impl Site {
    fn of(kind: Kind) -> Self {
        Site { forge: Forge::new(), api: StandIn::start(kind) }
    }

    /// A project that follows it, with an heir of its branch.
    fn project(&self) -> TestProject {
        let settings = format!(
            "environments:\n  base: {{ branch: main }}\n  prod: {{ branch: prod, inherits: base }}\n\
             upstream:\n  url: {}\n  webhook: hook\n  poll: 1s\n  pull_requests: {{ forge: {}, api: '{}', \
             repository: acme/config, token: forge }}\n\
             secrets:\n  - {{ names: [\"*\"], provider: file, directory: secrets }}\n",
            self.forge.url(),
            self.api.kind.name,
            self.api.address,
        );
        let project = TestProject::with_files(&[("meta/settings.yaml", &settings)]);
        std::fs::create_dir(project.dir().join("secrets")).unwrap();
        std::fs::write(project.dir().join("secrets/hook"), SECRET).unwrap();
        std::fs::write(project.dir().join("secrets/forge"), TOKEN).unwrap();
        project
    }

    /// Commits on top of what is there, as pull request 7; answers the commit.
    fn propose(&self, file: &str, content: &str) -> String {
        self.forge.commit(file, content);
        self.propose_head()
    }

    fn propose_head(&self) -> String {
        self.forge.work(&["push", "-qf", "origin", &format!("HEAD:{}", self.api.kind.head_ref)]);
        let head = self.forge.work(&["rev-parse", "HEAD"]).trim().to_owned();
        self.api.told().pulls = vec![(7, "main".to_owned(), head.clone())];
        head
    }

    fn last_status(&self) -> Option<(String, Value)> {
        self.api.told().statuses.last().cloned()
    }

    /// Waits until a commit has its status, and the comment is there; answers both.
    fn verdict(&self, commit: &str) -> (Value, String) {
        let is_told = || {
            let told = self.api.told();
            assert!(told.faults.is_empty(), "{:?}", told.faults);
            told.statuses.last().is_some_and(|(about, _)| about == commit)
                && told.comments.values().any(|(_, text)| text.contains(commit))
        };
        wait_for("the forge to be told", is_told);
        let told = self.api.told();
        let comment = told.comments.values().find(|(_, text)| text.contains(commit)).unwrap();
        (told.statuses.last().unwrap().1.clone(), comment.1.clone())
    }
}

/// What Git makes of what it is given.
fn git_made(dir: &std::path::Path, arguments: &[&str], given: &str) -> String {
    let mut child =
        git_command(dir).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(given.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn pulls(server: &Server) -> Value {
    upstream(server)["pull_requests"].clone()
}

#[test]
fn a_pull_request_gets_a_status_and_one_comment_that_is_kept_up() {
    let site = Site::of(GITHUB);
    let project = site.project();
    let server = project.serve();
    wait_for("the first fetch", || app(&server)["host"] == "h0");
    let mut watch = Stream::open(&server, "/v1/config/app?watch=true&env=prod");
    watch.ready();
    // Somebody wrote before, with a mark that is not ours.
    let foreign = "### confgit: all is well\n\n[//]: # (confgit 0123456789abcdef0123456789abcdef)".to_owned();
    site.api.told().comments.insert(40, (7, foreign.clone()));
    site.api.told().foreign.insert(40);
    let first = site.propose("app.yaml", "host: h0\nport: 2\nowner: ann\n");
    hint(&server, r#"{"action": "opened", "number": 7}"#, SECRET).expect(202);
    let (status, comment) = site.verdict(&first);
    assert_eq!(status["state"], "success");
    assert_eq!(status["context"], "confgit/main");
    assert_eq!(status["description"], "changes 2 environments: base, prod");
    assert!(comment.contains("| base | 2 | 0 | 0 |\n| prod | 2 | 0 | 1 |"), "{comment}");
    assert!(
        comment.contains("```diff\n+ /app/owner: \"ann\"\n- /app/port: 1\n+ /app/port: 2\n```"),
        "{comment}"
    );
    wait_for("it to be noted", || pulls(&server)["open"][0]["state"] == "success");
    // Nothing of it is in force, or in the repository.
    assert_eq!(app(&server)["port"], 1);
    let found = git_command(&project.config_git()).args(["cat-file", "-e", &first]).output().unwrap();
    assert!(!found.status.success());
    // Other commits: the same comment says what they come to.
    let second = site.propose("app.yaml", "host: [\nport: 2\n");
    hint(&server, r#"{"action": "synchronize", "number": 7}"#, SECRET).expect(202);
    let (status, comment) = site.verdict(&second);
    assert_eq!((&status["state"], &status["description"]), (&json!("failure"), &json!("1 problem")));
    assert!(comment.contains("app.yaml:") && comment.contains("[parse]"), "{comment}");
    assert_eq!(site.api.told().comments.len(), 2);
    assert_eq!(site.api.told().comments[&40].1, foreign);
    // Somebody copies its mark into a comment of theirs that is older.
    let copied = site.api.told().comments[&41].1.clone();
    site.api.told().comments.insert(40, (7, copied.clone()));
    // A start anew finds the comment, and has nothing to say.
    let edits = site.api.told().edits;
    server.stop();
    let server = project.serve();
    wait_for("it to be looked at again", || pulls(&server)["open"][0]["state"] == "failure");
    wait_for("all to be looked at", || pulls(&server)["last_contact"].is_string());
    {
        let told = site.api.told();
        assert_eq!((told.comments.len(), told.edits), (2, edits), "{:?}", told.comments);
    }
    assert_eq!(site.api.told().comments[&40].1, copied);
    // One that somebody took away is made anew.
    site.api.told().comments.remove(&41);
    let third = site.propose("app.yaml", "host: h0\nport: 3\n");
    assert_eq!(site.verdict(&third).0["state"], "success");
    // Merged there, it comes here, and is none any more.
    site.forge.push();
    site.api.told().pulls.clear();
    wait_for("it to come", || app(&server)["port"] == 3);
    wait_for("it to be forgotten", || pulls(&server)["open"] == json!([]));
    let metrics = server.get("/metrics").expect(200).text();
    assert!(metrics.contains("confgit_pull_requests_failing{project=\"project\"} 0"), "{metrics}");
    assert!(site.api.told().faults.is_empty());
}

#[test]
fn pull_requests_of_each_forge_are_told_in_its_own_words() {
    for kind in [GITEA, GITLAB, BITBUCKET] {
        let site = Site::of(kind);
        let project = site.project();
        let server = project.serve();
        wait_for("the first fetch", || app(&server)["host"] == "h0");
        let good = site.propose("app.yaml", "host: h0\nport: 2\n");
        let (status, comment) = site.verdict(&good);
        assert_eq!(
            (&status["state"], &status[kind.context]),
            (&json!(kind.success), &json!("confgit/main")),
            "{status}"
        );
        assert!(comment.contains("+ /app/port: 2"), "{}: {comment}", kind.name);
        let bad = site.propose("more.yaml", "a: &x 1\nb: 'unfinished\n");
        let (status, comment) = site.verdict(&bad);
        assert_eq!(status["state"], kind.failure, "{status}");
        assert!(comment.contains("more.yaml:"), "{}: {comment}", kind.name);
        assert_eq!(site.api.told().comments.len(), 1, "{}", kind.name);
        server.stop();
    }
}

#[test]
fn a_pull_request_is_held_to_what_a_push_is_held_to() {
    let site = Site::of(GITHUB);
    let project = site.project();
    let server = project.serve();
    wait_for("the first fetch", || app(&server)["host"] == "h0");
    std::os::unix::fs::symlink("/etc/passwd", site.forge.temp.path().join("work/users.yaml")).unwrap();
    let head = site.propose("app.yaml", "host: h0\nport: 1\nx: '`` @everybody'\n");
    let (status, comment) = site.verdict(&head);
    assert_eq!(status["state"], "failure");
    assert!(comment.contains("users.yaml: a symbolic link is not followed"), "{comment}");
    // What the branch changed meanwhile, too.
    std::fs::remove_file(site.forge.temp.path().join("work/users.yaml")).unwrap();
    let head = site.propose("app.yaml", "host: of the pull request\nport: 1\n");
    server.put("/app/host", json!("of the API")).expect(200);
    wait_for("both to be the same", || site.forge.shown("app.yaml").contains("of the API"));
    site.forge.work(&["commit", "-q", "--allow-empty", "-m", "again"]);
    let (status, comment) = site.verdict(&site.propose_head());
    assert_ne!(head, site.last_status().unwrap().0);
    assert_eq!(status["description"], "1 conflict with what the branch has by now");
    assert!(comment.contains("```\n/app/host\n```"), "{comment}");
    // One for a branch that no environment has is nobody's business.
    let asked = site.api.told().asked;
    site.api.told().pulls = vec![(8, "elsewhere".to_owned(), "1".repeat(40))];
    wait_for("the list to be asked for", || site.api.told().asked > asked + 1);
    assert_eq!(pulls(&server)["open"], json!([]));
    // Folders within folders, each of which holds ten times the next, are no way to keep the server busy.
    let site_work = site.forge.temp.path().join("work");
    let mut tree = git_made(&site_work, &["mktree"], "");
    for _ in 0..11 {
        let entries: String = (0..10).map(|at| format!("040000 tree {tree}\td{at}\n")).collect();
        tree = git_made(&site_work, &["mktree"], &entries);
    }
    let head = site.forge.work(&["rev-parse", "HEAD"]).trim().to_owned();
    let bomb = git_made(&site_work, &["commit-tree", &tree, "-p", &head, "-m", "bomb"], "");
    site.forge.work(&["push", "-qf", "origin", &format!("{bomb}:refs/pull/7/head")]);
    site.api.told().pulls = vec![(7, "main".to_owned(), bomb.clone())];
    let (status, comment) = site.verdict(&bomb);
    assert_eq!(status["state"], "failure");
    assert!(comment.contains("more than can be followed at once"), "{comment}");
    // One whose commits cannot be had is told with its number, and keeps nobody else from being checked.
    let gone = (9, "main".to_owned(), "1".repeat(40));
    let third = site.propose("app.yaml", "host: of the API\nport: 3\n");
    site.api.told().pulls.insert(0, gone);
    site.verdict(&third);
    wait_for("it to be told", || pulls(&server)["open"][1]["problem"].is_string());
    assert_eq!(pulls(&server)["open"][1]["state"], "unchecked");
    assert!(site.api.told().faults.is_empty());
}

#[test]
fn a_forge_in_trouble_is_asked_later_and_the_token_stays_secret() {
    let site = Site::of(GITHUB);
    let project = site.project();
    site.api.told().trouble = Some((500, "x-nothing", "0"));
    let server = project.serve();
    wait_for("the first fetch", || app(&server)["host"] == "h0");
    wait_for("the trouble to be told", || pulls(&server)["last_error"].is_string());
    let told = pulls(&server)["last_error"].to_string();
    assert!(told.contains("500 to GET /repos/acme/config/pulls: there is trouble"), "{told}");
    // A redirect does not carry the token away.
    site.api.told().trouble = Some((302, "location", "http://127.0.0.1:9/"));
    wait_for("the redirect to be told", || pulls(&server)["last_error"].to_string().contains("302"));
    site.api.told().trouble = Some((429, "retry-after", "2"));
    wait_for("the pause to be told", || pulls(&server)["last_error"].to_string().contains("in 2 seconds"));
    site.api.told().trouble = None;
    let head = site.propose("app.yaml", "host: h0\nport: 2\n");
    assert_eq!(site.verdict(&head).0["state"], "success");
    wait_for("the trouble to be over", || pulls(&server)["last_error"].is_null());
    // The wrong token is told, and is not repeated.
    std::fs::write(project.dir().join("secrets/forge"), "another-token").unwrap();
    wait_for("the token to be refused", || pulls(&server)["last_error"].to_string().contains("401"));
    let log = server.log.lock().unwrap().clone();
    let status = server.get("/api/status").expect(200).text();
    for secret in [TOKEN, "another-token"] {
        assert!(!log.contains(secret) && !status.contains(secret));
    }
}
