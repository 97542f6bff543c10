use super::Parser;
use super::webhooks::is_url;
use crate::forge::Forge;
use crate::model::{Object, Value};

/// What our status is called unless told otherwise.
const CONTEXT: &str = "confgit";

/// How the pull requests of a forge are checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequestRules {
    /// Which kind of forge it is.
    pub forge: Forge,
    /// The address of its API.
    pub api: String,
    /// The repository, such as `acme/config`.
    pub repository: String,
    /// The name of the secret that opens the API.
    pub token: String,
    /// What our status is called.
    pub context: String,
}

const MEMBERS: [&str; 5] = ["forge", "api", "repository", "token", "context"];

impl Parser<'_> {
    /// The rules for pull requests of the upstream with an address and, perhaps, a token.
    pub(super) fn pull_requests(
        &mut self,
        upstream: &Object,
        url: &str,
        token: Option<&str>,
    ) -> Option<PullRequestRules> {
        let at = ["upstream", "pull_requests"];
        let members = match upstream.get("pull_requests") {
            None | Some(Value::Null) => return None,
            Some(Value::Object(members)) => members,
            Some(_) => {
                self.wrong(&at, "expected at least `forge`, such as `{ forge: github }`");
                return None;
            }
        };
        let mut is_right = true;
        let mut wrong = |member: &str, message: String| {
            self.wrong(&["upstream", "pull_requests", member], message);
            is_right = false;
        };
        for key in members.keys().filter(|key| !MEMBERS.contains(&key.as_str())) {
            wrong(key, format!("unknown member `{key}`; there are: {}", MEMBERS.join(", ")));
        }
        let mut text = |name: &str| match members.get(name) {
            None => None,
            Some(Value::String(text)) if !text.is_empty() && text.len() <= 2_000 => Some(text.clone()),
            Some(_) => {
                wrong(name, format!("`{name}` is a text"));
                None
            }
        };
        let [forge, api, repository, own_token, context] = MEMBERS.map(&mut text);
        let names = || Forge::ALL.map(Forge::name).join(", ");
        let known = forge.and_then(|name| Forge::ALL.into_iter().find(|forge| forge.name() == name));
        let Some(forge) = known else {
            wrong("forge", format!("`forge` is one of: {}", names()));
            return None;
        };
        let place = place_of(url);
        let api = api.or_else(|| place.as_ref().map(|(scheme, host, _)| forge.api_of(scheme, host)));
        let api = api.filter(|api| is_url(api));
        let repository = repository.or_else(|| place.map(|(.., path)| path));
        let repository = repository.filter(|path| is_repository(path));
        let token = own_token.or_else(|| token.map(str::to_owned));
        let context = context.unwrap_or_else(|| CONTEXT.to_owned());
        if api.is_none() {
            wrong(
                "api",
                "`api` is the address of the forge's API: http:// or https://, without user and password"
                    .to_owned(),
            );
        }
        if repository.is_none() {
            wrong("repository", "`repository` is what the forge calls it, such as acme/config".to_owned());
        }
        if token.is_none() {
            wrong("token", "`token` is the name of the secret that opens the API of the forge".to_owned());
        }
        if context.len() > 40 || !context.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
            wrong(
                "context",
                "`context` is what the status is called: at most 40 plain characters".to_owned(),
            );
        }
        let rules = PullRequestRules { forge, api: api?, repository: repository?, token: token?, context };
        is_right.then_some(rules)
    }
}

/// What an address says of where its forge is: scheme and host of the web, and the path of the repository.
fn place_of(url: &str) -> Option<(&'static str, String, String)> {
    let (scheme, authority, path) = match url.split_once("://") {
        Some((scheme @ ("https" | "http"), rest)) => {
            let (authority, path) = rest.split_once('/')?;
            (if scheme == "http" { "http" } else { "https" }, authority, path)
        }
        Some(("ssh", rest)) => {
            let (authority, path) = rest.split_once('/')?;
            // The port is that of ssh.
            ("https", authority.rsplit_once(':').map_or(authority, |(host, _)| host), path)
        }
        Some(_) => return None,
        None if url.starts_with('/') => return None,
        None => {
            let (authority, path) = url.split_once(':')?;
            ("https", authority, path)
        }
    };
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let path = path.trim_matches('/');
    Some((scheme, host.to_owned(), path.strip_suffix(".git").unwrap_or(path).to_owned()))
}

/// Whether this is a path of names that can be part of an address as it is.
fn is_repository(path: &str) -> bool {
    let is_name = |name: &str| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
        !name.is_empty() && name != "." && name != ".." && name.bytes().all(is_plain)
    };
    path.contains('/') && path.split('/').all(is_name)
}
