//! What forges say and are told: webhooks that are proven, pull requests, and the status and comment that they get.

mod api;
mod bitbucket;
mod dialect;
mod gitea;
mod github;
mod gitlab;
mod webhook;

pub use self::api::{ForgeApi, ForgeError, OwnComment};
pub use self::dialect::{MOST_DESCRIPTION_CHARS, PullRequest, Verdict};

/// The forges that are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forge {
    /// <https://docs.github.com/rest>
    GitHub,
    /// <https://docs.gitlab.com/api/rest/>
    GitLab,
    /// <https://docs.gitea.com/api/>
    Gitea,
    /// <https://developer.atlassian.com/cloud/bitbucket/rest/>
    Bitbucket,
}

impl Forge {
    /// All of them.
    pub const ALL: [Forge; 4] = [Forge::GitHub, Forge::GitLab, Forge::Gitea, Forge::Bitbucket];

    /// Its name in addresses and settings.
    pub fn name(self) -> &'static str {
        match self {
            Forge::GitHub => "github",
            Forge::GitLab => "gitlab",
            Forge::Gitea => "gitea",
            Forge::Bitbucket => "bitbucket",
        }
    }

    /// Where the API of a forge on this host is, unless the settings say otherwise.
    pub fn api_of(self, scheme: &str, host: &str) -> String {
        match (self, host) {
            (Forge::GitHub, "github.com") => "https://api.github.com".to_owned(),
            (Forge::GitHub, _) => format!("{scheme}://{host}/api/v3"),
            (Forge::GitLab, _) => format!("{scheme}://{host}/api/v4"),
            (Forge::Gitea, _) => format!("{scheme}://{host}/api/v1"),
            (Forge::Bitbucket, _) => "https://api.bitbucket.org/2.0".to_owned(),
        }
    }
}
