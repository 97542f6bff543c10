use std::path::{Component, PathBuf};
use std::time::Duration;

use super::Parser;
use super::clients::duration;
use super::pull_requests::PullRequestRules;
use crate::model::{Object, Value};

/// How often a forge is asked unless told otherwise.
const POLL: Duration = Duration::from_secs(60);

/// The forge whose branches a project follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// What Git would clone: https, ssh, or a path of this machine.
    pub url: String,
    /// The name that goes with the token.
    pub user: String,
    /// The name of the secret that opens an https address.
    pub token: Option<String>,
    /// A file of certificates (PEM) that say which server it is, instead of those that the machine trusts; relative to the
    /// project's directory.
    pub ca_file: Option<PathBuf>,
    /// How often it is asked for news, beside what its webhooks tell.
    pub poll: Duration,
    /// The name of the secret that its webhooks are signed with; none are taken without.
    pub webhook: Option<String>,
    /// Whether a write is acknowledged only once the upstream has it.
    pub writes_wait: bool,
    /// How its pull requests are checked; not at all when none.
    pub pull_requests: Option<PullRequestRules>,
}

const MEMBERS: [&str; 8] = ["url", "user", "token", "ca_file", "poll", "webhook", "writes", "pull_requests"];

impl Parser<'_> {
    pub(super) fn upstream(&mut self, root: &Object) -> Option<Upstream> {
        let members = match root.get("upstream") {
            None | Some(Value::Null) => return None,
            Some(Value::Object(members)) => members,
            Some(_) => {
                self.wrong(
                    &["upstream"],
                    "expected at least `url`, such as `{ url: https://forge.example/config.git }`",
                );
                return None;
            }
        };
        for key in members.keys().filter(|key| !MEMBERS.contains(&key.as_str())) {
            self.wrong(
                &["upstream", key],
                format!("unknown member `{key}`; there are: {}", MEMBERS.join(", ")),
            );
        }
        let mut text = |name: &str| match members.get(name) {
            None => None,
            Some(Value::String(text)) if !text.is_empty() => Some(text.clone()),
            Some(_) => {
                self.wrong(&["upstream", name], format!("`{name}` is a text"));
                None
            }
        };
        let (url, user, token, webhook) = (text("url"), text("user"), text("token"), text("webhook"));
        let ca_file = text("ca_file").map(PathBuf::from);
        let poll = match members.get("poll") {
            None => POLL,
            Some(value) => duration(value).unwrap_or_else(|| {
                self.wrong(
                    &["upstream", "poll"],
                    "`poll` is a number of seconds, minutes or hours, such as 30s or 5m; at most 12h",
                );
                POLL
            }),
        };
        let writes_wait = match members.get("writes") {
            None => false,
            Some(Value::String(text)) if text == "require" => true,
            Some(_) => {
                self.wrong(
                    &["upstream", "writes"],
                    "`writes` is `require`, or left out: then writes are pushed afterwards",
                );
                false
            }
        };
        let Some(url) = url.filter(|url| is_address(url)) else {
            self.wrong(
                &["upstream", "url"],
                "`url` is what Git would clone: https://…, ssh://…, user@host:path, file://… or a path that begins with `/`; \
                 without a password, which is a secret that `token` names",
            );
            return None;
        };
        if token.is_some() && !url.starts_with("https://") && !url.starts_with("http://") {
            self.wrong(&["upstream", "token"], "a token goes with an address of https");
        }
        let pull_requests = self.pull_requests(members, &url, token.as_deref());
        if let Some(file) = &ca_file {
            let is_api = |rules: &PullRequestRules| rules.api.starts_with("https://");
            // Certificates that nothing is checked by would only seem to protect something.
            if !url.starts_with("https://") && !pull_requests.as_ref().is_some_and(is_api) {
                self.wrong(&["upstream", "ca_file"], "`ca_file` goes with an address of https");
            }
            if file.components().any(|part| part == Component::ParentDir) {
                self.wrong(&["upstream", "ca_file"], "`ca_file` is the name of a file, without `..`");
            }
        }
        Some(Upstream {
            url,
            user: user.unwrap_or_else(|| "confgit".to_owned()),
            token,
            ca_file,
            poll,
            webhook,
            writes_wait,
            pull_requests,
        })
    }
}

/// Whether Git takes this for an address, and for nothing else: no option, no helper of its own (`ext::`), no password.
fn is_address(url: &str) -> bool {
    let is_plain = url.bytes().all(|byte| byte.is_ascii_graphic()) && url.len() <= 2_000;
    let with_scheme =
        ["https://", "http://", "ssh://", "file:///"].iter().find_map(|scheme| url.strip_prefix(scheme));
    let is_right = match with_scheme {
        Some(rest) => {
            let authority = rest.split('/').next().unwrap_or_default();
            let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
            let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
            let is_web = url.starts_with("http");
            !host.starts_with('-')
                && !user.contains(':')
                && !(is_web && (host.is_empty() || !user.is_empty()))
        }
        None => {
            let is_scp = |(before, path): (&str, &str)| {
                let host = before.rsplit_once('@').map_or(before, |(_, host)| host);
                let is_host =
                    host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_[]".contains(&byte));
                is_host
                    && !host.is_empty()
                    && !before.starts_with('-')
                    && !host.starts_with('-')
                    && !path.starts_with(':')
                    && !before.contains('/')
            };
            url.starts_with('/') || url.split_once(':').is_some_and(is_scp)
        }
    };
    is_plain && is_right
}

#[cfg(test)]
mod tests {
    use super::super::ProjectSettings;
    use super::*;

    #[test]
    fn pull_requests_are_where_the_upstream_is() {
        let read = |text: &str| {
            let text = format!("environments:\n  base: {{branch: main}}\nupstream: {text}\n");
            let settings = ProjectSettings::parse(text.as_bytes()).unwrap();
            settings.upstream.and_then(|upstream| upstream.pull_requests).unwrap()
        };
        let found =
            read("{url: 'https://github.com/acme/config.git', token: t, pull_requests: {forge: github}}");
        let expected = ("https://api.github.com", "acme/config", "t", "confgit");
        let told = |found: &PullRequestRules| {
            [&found.api, &found.repository, &found.token, &found.context].map(|text| text.to_string())
        };
        assert_eq!(told(&found), <[&str; 4]>::from(expected).map(str::to_owned));
        let found = read(
            "{url: 'git@git.example:ops/of/config.git', pull_requests: {forge: gitlab, token: t, context: prod}}",
        );
        assert_eq!(
            told(&found),
            ["https://git.example/api/v4", "ops/of/config", "t", "prod"].map(str::to_owned)
        );
        let found =
            read("{url: 'ssh://git@git.example:2222/ops/config', pull_requests: {forge: gitea, token: t}}");
        assert_eq!(
            told(&found),
            ["https://git.example/api/v1", "ops/config", "t", "confgit"].map(str::to_owned)
        );
        let found =
            read("{url: 'http://127.0.0.1:3000/ops/config', token: t, pull_requests: {forge: gitea}}");
        assert_eq!(found.api, "http://127.0.0.1:3000/api/v1");
        let found = read(
            "{url: '/srv/a.git', pull_requests: {forge: github, token: t, api: 'http://127.0.0.1:1/', repository: acme/config}}",
        );
        assert_eq!(told(&found), ["http://127.0.0.1:1/", "acme/config", "t", "confgit"].map(str::to_owned));
    }

    #[test]
    fn upstreams_are_read() {
        let read = |text: &str| {
            let text = format!("environments:\n  base: {{branch: main}}\nupstream: {text}\n");
            ProjectSettings::parse(text.as_bytes()).map(|settings| settings.upstream)
        };
        let found =
            read("{url: 'https://forge.example/a.git', token: t, webhook: w, poll: 30s}").unwrap().unwrap();
        assert_eq!((found.user.as_str(), found.poll), ("confgit", Duration::from_secs(30)));
        for good in [
            "ssh://git@forge.example/a.git",
            "git@forge.example:a/b.git",
            "file:///srv/a.git",
            "/srv/a.git",
            "http://127.0.0.1:1/a.git",
        ] {
            assert!(read(&format!("{{url: '{good}'}}")).is_ok(), "{good}");
        }
        assert_eq!(read("null").unwrap(), None);
        assert!(read("{url: /a, writes: require}").unwrap().unwrap().writes_wait);
        for bad in [
            "5",
            "{}",
            "{url: 5}",
            "{url: 'ext::sh -c id'}",
            "{url: '--upload-pack=x'}",
            "{url: 'a b'}",
            "{url: '../a'}",
            "{url: 'https://u:p@forge.example/a'}",
            "{url: 'https:///a'}",
            "{url: 'ssh://-oProxyCommand=x/a'}",
            "{url: '-x@host:a'}",
            "{url: 'a::b'}",
            "{url: 'ssh://h/a', token: t}",
            "{url: '/a', ca_file: ca.pem}",
            "{url: 'https://forge.example/a', ca_file: ../ca.pem}",
            "{url: '/a', poll: 0s}",
            "{url: '/a', poll: 13h}",
            "{url: '/a', branch: x}",
            "{url: '/a', writes: reconcile}",
            "{url: '/a', pull_requests: github}",
            "{url: '/a', pull_requests: {}}",
            "{url: '/a', pull_requests: {forge: sourceforge}}",
            "{url: '/a', pull_requests: {forge: github}}",
            "{url: '/a', pull_requests: {forge: github, token: t, repository: a/b}}",
            "{url: '/a', pull_requests: {forge: github, token: t, api: 'https://api.example'}}",
            "{url: 'https://forge.example/a/b', pull_requests: {forge: github}}",
            "{url: 'https://forge.example/a', token: t, pull_requests: {forge: github}}",
            "{url: 'https://forge.example/a/b', token: t, pull_requests: {forge: github, api: 'ftp://a'}}",
            "{url: 'https://forge.example/a/b', token: t, pull_requests: {forge: github, context: 5}}",
            "{url: 'https://forge.example/a/b', token: t, pull_requests: {forge: github, x: y}}",
            "{url: 'https://forge.example/a/b', token: t, pull_requests: {forge: github, repository: 'a/b?c'}}",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
