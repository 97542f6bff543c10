//! Tokens of the shape that real platforms give out.

use serde_json::json;

use super::*;

/// <https://docs.github.com/en/actions/reference/security/oidc>, shortened.
#[test]
fn a_job_of_github_actions() {
    let signer = Signer::rs256("38826b17-6a30-5f9b-b169-8beb8202f723");
    let issuers = Issuers::parse(&json!({"github": {
        "issuer": "https://token.actions.githubusercontent.com",
        "audience": ["confgit"],
        "algorithms": ["RS256"],
        "rules": [
            {"claims": {"repository": "fernhill/payments", "ref": "refs/heads/main"}, "account": "payments-ci"},
            {"claims": {"repository_owner_id": 65, "ref_protected": true}, "teams": ["fernhill"]},
        ],
    }}))
    .unwrap();
    let job = |repository: &str, reference: &str, protected: &str| {
        json!({
            "jti": "example-id", "iss": "https://token.actions.githubusercontent.com", "aud": "confgit",
            "sub": format!("repo:{repository}:ref:{reference}"), "ref": reference, "ref_protected": protected,
            "repository": repository, "repository_owner": "fernhill", "repository_owner_id": "65",
            "repository_visibility": "private", "run_attempt": "2", "actor": "ann",
            "job_workflow_ref": format!("{repository}/.github/workflows/ci.yml@{reference}"),
            "nbf": NOW - 600, "iat": NOW - 5, "exp": NOW + 300,
        })
    };
    let account = |claims| {
        issuers
            .verify(&signer.token(&claims), &Fixed::of(&[&signer]), at(NOW))
            .map(|identity| identity.account)
    };
    let main = "refs/heads/main";
    assert_eq!(account(job("fernhill/payments", main, "false")), Ok(Mapped::Account("payments-ci".into())));
    assert_eq!(
        account(job("fernhill/shop", main, "true")),
        Ok(Mapped::Teams {
            name: "github:repo:fernhill/shop:ref:refs/heads/main".into(),
            teams: ["fernhill".into()].into()
        })
    );
    let refused = account(job("fernhill/payments-fork", main, "false")).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "no rule of `github` matches the token's claims: rule 1 fails at `repository`, rule 2 fails at `ref_protected`"
    );
}

/// A projected service account token:
/// <https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/>.
#[test]
fn a_pod_of_kubernetes() {
    let signer = Signer::rs256("key-1");
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("cluster.jwks"), signer::jwks(&[&signer])).unwrap();
    let issuers = Issuers::parse(&json!({"cluster": {
        "issuer": "https://kubernetes.default.svc.cluster.local",
        "audience": "confgit",
        "algorithms": ["RS256"],
        "keys": "file:cluster.jwks",
        "rules": [
            {"claims": {"/kubernetes.io/namespace": "payments", "/kubernetes.io/serviceaccount/name": "api"}, "account": "api"},
            {"claims": {"sub": "system:serviceaccount:payments:*"}, "teams": ["payments"]},
        ],
    }}))
    .unwrap();
    let cache = KeyCache::new(dir.path().to_owned());
    let account = |namespace: &str, name: &str| {
        let claims = json!({
            "aud": ["confgit"], "exp": NOW + 3607, "iat": NOW, "nbf": NOW,
            "iss": "https://kubernetes.default.svc.cluster.local",
            "kubernetes.io": {
                "namespace": namespace, "node": {"name": "node-1", "uid": "a"}, "pod": {"name": "p", "uid": "b"},
                "serviceaccount": {"name": name, "uid": "c"},
            },
            "sub": format!("system:serviceaccount:{namespace}:{name}"),
        });
        // Such tokens have no `typ`.
        let token = signer.token_with(&json!({"alg": "RS256", "kid": "key-1"}), &claims);
        issuers.verify(&token, &cache, at(NOW)).map(|identity| identity.account)
    };
    assert_eq!(account("payments", "api"), Ok(Mapped::Account("api".into())));
    assert_eq!(
        account("payments", "worker"),
        Ok(Mapped::Teams {
            name: "cluster:system:serviceaccount:payments:worker".into(),
            teams: ["payments".into()].into()
        })
    );
    assert!(matches!(account("shop", "api"), Err(TokenError::NoRule { .. })));
}
