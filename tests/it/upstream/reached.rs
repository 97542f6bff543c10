//! The ways to a forge: TLS with certificates of its own, and ssh.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt;
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
    let (running, port) = started(&["-c", TERMINATOR, certificate.to_str().unwrap(), port]);
    (running, format!("https://127.0.0.1:{port}"))
}

/// A script that tells its port once it listens there.
fn started(arguments: &[&str]) -> (Running, String) {
    let child = Command::new(python()).args(arguments).stdout(Stdio::piped()).spawn();
    let mut running = Running(child.unwrap());
    let mut line = String::new();
    BufReader::new(running.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (running, line.trim().to_owned())
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
    // What Git would trust besides is looked at on its way.
    let (bin, trusted) = (first.temp.path().join("bin"), first.temp.path().join("trusted"));
    std::fs::create_dir(&bin).unwrap();
    let git = String::from_utf8(Command::new("which").arg("git").output().unwrap().stdout).unwrap();
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in *https://*) ls -A \"$GIT_SSL_CAPATH\" >> {} || echo \"$GIT_SSL_CAPATH\" >> {0};; esac\nexec {} \"$@\"\n",
        trusted.display(),
        git.trim()
    );
    std::fs::write(bin.join("git"), script).unwrap();
    std::fs::set_permissions(bin.join("git"), PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let server = project.serve_with(&[], &[("PATH", &path)]);
    let told = || upstream(&server)["last_error"].to_string();
    wait_for("the missing file to be told", || told().contains("ca.pem"));
    // Who cannot show that it is the forge is not even asked.
    std::fs::copy(&wrong.authority, &ca_file).unwrap();
    wait_for("the stranger to be told", || told().contains("certificate"));
    assert_eq!(app(&server), serde_json::Value::Null);
    std::fs::copy(&right.authority, &ca_file).unwrap();
    wait_for("the first fetch", || app(&server)["host"] == "h0" && state(&server) == "same");
    server.put("/app/host", json!("written here")).expect(200);
    wait_for("it to go there", || app(&origin)["host"] == "written here");
    assert_eq!(std::fs::read_to_string(&trusted).unwrap(), "");
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

/// A server of ssh: whoever has the key runs commands as whoever runs the tests.
const SSH_SERVER: &str = r#"
import asyncio, asyncssh, subprocess, sys

async def run(process):
    pipe = subprocess.PIPE
    local = subprocess.Popen(process.command, shell=True, stdin=pipe, stdout=pipe, stderr=pipe)
    await process.redirect(stdin=local.stdin, stdout=local.stdout, stderr=local.stderr)
    await process.stdout.drain()
    process.exit(await asyncio.to_thread(local.wait))

async def main():
    folder, port = sys.argv[1], int(sys.argv[2])
    server = await asyncssh.listen(
        "127.0.0.1", port, server_host_keys=[folder + "/host"], authorized_client_keys=folder + "/client.pub",
        process_factory=run, encoding=None, reuse_address=True)
    print(server.get_port(), flush=True)
    await server.wait_closed()

asyncio.run(main())
"#;

/// A server of ssh, with keys made for the test.
struct Ssh {
    temp: tempfile::TempDir,
    port: u16,
    running: Option<Running>,
}

impl Ssh {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        for key in ["host", "client"] {
            let file = temp.path().join(key);
            let arguments = ["-q", "-t", "ed25519", "-N", "", "-f", file.to_str().unwrap()];
            run("ssh-keygen", &arguments, "openssh-client");
        }
        let mut ssh = Ssh { temp, port: 0, running: None };
        ssh.start();
        ssh
    }

    fn file(&self, name: &str) -> String {
        self.temp.path().join(name).display().to_string()
    }

    /// Starts it where it was, if it was anywhere.
    fn start(&mut self) {
        let folder = self.temp.path().to_str().unwrap();
        let (running, port) = started(&["-c", SSH_SERVER, folder, &self.port.to_string()]);
        (self.running, self.port) = (Some(running), port.parse().unwrap());
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
    let mut ssh = Ssh::new();
    let who = Command::new("id").arg("-un").output().unwrap().stdout;
    let who = String::from_utf8(who).unwrap();
    let url = format!("ssh://{}@127.0.0.1:{}{}", who.trim(), ssh.port, forge.url());
    let project = follower(&url, ", poll: 1s");
    let server = project.serve_with(&[], &[("GIT_SSH_COMMAND", &ssh.command())]);
    let told = || upstream(&server)["last_error"].to_string();
    wait_for("the strange host to be told", || told().contains("Host key verification failed"));
    ssh.know_host();
    wait_for("the first fetch", || app(&server)["host"] == "h0" && state(&server) == "same");
    server.put("/app/host", json!("written here")).expect(200);
    wait_for("it to go there", || forge.shown("app.yaml").contains("written here"));
    ssh.running = None;
    server.put("/app/host", json!("while it is away")).expect(200);
    wait_for("the outage to be told", || upstream(&server)["last_error"].is_string());
    ssh.start();
    wait_for("it to go there as well", || forge.shown("app.yaml").contains("while it is away"));
    forge.work(&["pull", "-q"]);
    forge.commit("app.yaml", "host: of the forge\nport: 1\n");
    forge.push();
    wait_for("it to come", || app(&server)["host"] == "of the forge");
}
