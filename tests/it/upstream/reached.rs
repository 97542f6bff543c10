//! The ways to a forge: TLS with certificates of its own, and ssh.

use std::io::{BufRead as _, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::json;

use super::stand_in::{GITHUB, StandIn, TOKEN};
use super::{Forge, app, follower, state, upstream};
use crate::harness::{TestProject, python, wait_for};

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // One that ended by itself needs no end.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn run(program: &str, arguments: &[&str], package: &str) {
    let ran = Command::new(program).args(arguments).output();
    let ran = ran.unwrap_or_else(|error| panic!("{program}: {error}; install it: apt-get install {package}"));
    assert!(ran.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
}

/// Certificates of an authority, and of this machine by it.
struct Certificates {
    authority: PathBuf,
    server: PathBuf,
}

impl Certificates {
    fn make(dir: &Path, name: &str) -> Self {
        let file = |what: &str| dir.join(format!("{name}-{what}.pem"));
        let (authority, server) = (file("authority"), file("server"));
        sign(&authority, &["-subj", "/CN=authority", "-addext", "keyUsage=critical,keyCertSign"]);
        let (by, by_key) = (authority.to_str().unwrap(), key_of(&authority));
        let names =
            ["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"];
        sign(&server, &[&["-subj", "/CN=forge", "-CA", by, "-CAkey", &by_key], &names[..]].concat());
        Certificates { authority, server }
    }
}

fn key_of(certificate: &Path) -> String {
    format!("{}.key", certificate.display())
}

fn sign(certificate: &Path, more: &[&str]) {
    let key = key_of(certificate);
    let kind = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    let files = ["-days", "2", "-keyout", &key, "-out", certificate.to_str().unwrap()];
    run("openssl", &[&kind[..], &files, more].concat(), "openssl");
}

/// What speaks TLS for a server that does not.
const TERMINATOR: &str = r#"
import asyncio, ssl, sys

async def pump(source, sink):
    try:
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    except (ConnectionError, ssl.SSLError):
        pass
    sink.close()

async def serve(reader, writer):
    back_reader, back_writer = await asyncio.open_connection("127.0.0.1", int(sys.argv[2]))
    await asyncio.gather(pump(reader, back_writer), pump(back_reader, writer))

async def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1], sys.argv[1] + ".key")
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"#;

/// The address of a server that speaks HTTP, by TLS.
fn by_tls(certificate: &Path, address: &str) -> (Running, String) {
    let port = address.rsplit(':').next().unwrap();
    let mut child = Command::new(python())
        .args(["-c", TERMINATOR, certificate.to_str().unwrap(), port])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (Running(child), format!("https://127.0.0.1:{}", line.trim()))
}

#[test]
fn a_forge_is_held_to_certificates_of_its_own() {
    let first = TestProject::with_files(&[
        ("meta/settings.yaml", "environments:\n  base: { branch: main }\n"),
        ("base/app.yaml", "host: h0\n"),
    ]);
    let origin = first.serve();
    let [right, wrong] = ["right", "wrong"].map(|name| Certificates::make(first.temp.path(), name));
    let (_terminator, address) = by_tls(&right.server, &origin.address);
    let project =
        follower(&format!("{address}/config.git"), ", token: key, poll: 1s, ca_file: secrets/ca.pem");
    let ca_file = project.dir().join("secrets/ca.pem");
    std::fs::write(project.dir().join("secrets/key"), &origin.key).unwrap();
    let server = project.serve();
    let told = || upstream(&server)["last_error"].to_string();
    wait_for("the missing file to be told", || told().contains("ca.pem"));
    // Who cannot show that it is the forge is not even asked.
    std::fs::copy(&wrong.authority, &ca_file).unwrap();
    wait_for("the stranger to be told", || told().contains("verification failed"));
    assert_eq!(app(&server), serde_json::Value::Null);
    std::fs::copy(&right.authority, &ca_file).unwrap();
    wait_for("the first fetch", || app(&server)["host"] == "h0" && state(&server) == "same");
    server.put("/app/host", json!("written here")).expect(200);
    wait_for("it to go there", || app(&origin)["host"] == "written here");
    std::fs::remove_file(project.dir().join("secrets/key")).unwrap();
}

#[test]
fn the_api_of_a_forge_is_held_to_them_as_well() {
    let (forge, api) = (Forge::new(), StandIn::start(GITHUB));
    let temp = tempfile::tempdir().unwrap();
    let [right, wrong] = ["right", "wrong"].map(|name| Certificates::make(temp.path(), name));
    let (_terminator, address) = by_tls(&right.server, &api.address);
    let rules = format!(
        ", poll: 1s, ca_file: secrets/ca.pem, pull_requests: {{ forge: github, api: '{address}', repository: acme/config, token: forge }}"
    );
    let project = follower(&forge.url(), &rules);
    let ca_file = project.dir().join("secrets/ca.pem");
    std::fs::write(project.dir().join("secrets/forge"), TOKEN).unwrap();
    std::fs::copy(&wrong.authority, &ca_file).unwrap();
    let server = project.serve();
    let pulls = || upstream(&server)["pull_requests"].clone();
    wait_for("the stranger to be told", || pulls()["last_error"].is_string());
    let told = pulls().to_string();
    assert!(told.contains("the forge cannot be asked") && !told.contains(TOKEN), "{told}");
    std::fs::write(&ca_file, "no certificate").unwrap();
    wait_for("the empty file to be told", || pulls().to_string().contains("holds no certificate"));
    std::fs::copy(&right.authority, &ca_file).unwrap();
    wait_for("the API to be reached", || {
        pulls()["last_contact"].is_string() && pulls()["last_error"].is_null()
    });
}

/// OpenSSH's own server, with keys made for the test.
struct Sshd {
    temp: tempfile::TempDir,
    port: u16,
    running: Option<Running>,
}

impl Sshd {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        for key in ["host", "client"] {
            let file = temp.path().join(key);
            run(
                "ssh-keygen",
                &["-q", "-t", "ed25519", "-N", "", "-f", file.to_str().unwrap()],
                "openssh-client",
            );
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut sshd = Sshd { temp, port, running: None };
        sshd.start();
        sshd
    }

    fn file(&self, name: &str) -> String {
        self.temp.path().join(name).display().to_string()
    }

    fn start(&mut self) {
        if rustix::process::getuid().is_root() {
            // Where its children are locked up before they know whom they serve.
            std::fs::create_dir_all("/run/sshd").unwrap();
        }
        let options = [
            format!("ListenAddress=127.0.0.1:{}", self.port),
            format!("HostKey={}", self.file("host")),
            format!("AuthorizedKeysFile={}", self.file("client.pub")),
            "StrictModes=no".to_owned(),
            "UsePAM=no".to_owned(),
            "PidFile=none".to_owned(),
            "PermitRootLogin=yes".to_owned(),
            "PasswordAuthentication=no".to_owned(),
        ];
        let mut command = Command::new("/usr/sbin/sshd");
        command.args(["-D", "-e", "-f", "/dev/null"]);
        options.iter().for_each(|option| {
            command.args(["-o", option]);
        });
        let child = command.stderr(Stdio::null()).spawn();
        let child =
            child.unwrap_or_else(|error| panic!("sshd: {error}; install it: apt-get install openssh-server"));
        self.running = Some(Running(child));
        wait_for("sshd", || TcpStream::connect(("127.0.0.1", self.port)).is_ok());
    }

    /// How the server is to call it.
    fn command(&self) -> String {
        format!(
            "ssh -F /dev/null -i {} -o IdentitiesOnly=yes -o UserKnownHostsFile={} -o StrictHostKeyChecking=yes -o BatchMode=yes",
            self.file("client"),
            self.file("known_hosts")
        )
    }

    fn know_host(&self) {
        let key = std::fs::read_to_string(self.file("host.pub")).unwrap();
        std::fs::write(self.file("known_hosts"), format!("[127.0.0.1]:{} {key}", self.port)).unwrap();
    }
}

#[test]
fn a_forge_is_reached_by_ssh() {
    let forge = Forge::new();
    let mut sshd = Sshd::new();
    let who = Command::new("id").arg("-un").output().unwrap().stdout;
    let who = String::from_utf8(who).unwrap();
    let url = format!("ssh://{}@127.0.0.1:{}{}", who.trim(), sshd.port, forge.url());
    let project = follower(&url, ", poll: 1s");
    let server = project.serve_with(&[], &[("GIT_SSH_COMMAND", &sshd.command())]);
    let told = || upstream(&server)["last_error"].to_string();
    wait_for("the strange host to be told", || told().contains("Host key verification failed"));
    sshd.know_host();
    wait_for("the first fetch", || app(&server)["host"] == "h0" && state(&server) == "same");
    server.put("/app/host", json!("written here")).expect(200);
    wait_for("it to go there", || forge.shown("app.yaml").contains("written here"));
    sshd.running = None;
    server.put("/app/host", json!("while it is away")).expect(200);
    wait_for("the outage to be told", || upstream(&server)["last_error"].is_string());
    sshd.start();
    wait_for("it to go there as well", || forge.shown("app.yaml").contains("while it is away"));
    forge.work(&["pull", "-q"]);
    forge.commit("app.yaml", "host: of the forge\nport: 1\n");
    forge.push();
    wait_for("it to come", || app(&server)["host"] == "of the forge");
}
