//! `schemas/openapi.json`, made from the code: one file per resource says what its operations take and answer,
//! with the handlers' own constants and the wire's own types. It is made by a test, which compares it with the
//! committed file that the server serves; so none of this is part of the server.

mod access;
mod batches;
mod changes;
mod components;
mod entries;
mod environments;
mod operation;
mod parameter;
mod proposals;
mod server;

use serde_json::{Map, Value, json};

use self::components::Components;
use self::operation::Operation;

const INTRODUCTION: &str = "\
A configuration server whose database is a Git repository: every acknowledged write is a commit.

Each operation on the project is answered at `/p/{project}/…` as well; without the prefix the server's first \
project answers. A credential is a key, as `Authorization: Bearer` or `X-API-Key`; whether callers without one \
may read, or write, is the server's setting, and they are served on loopback names only.

`HEAD` is taken wherever `GET` is. `LIST /api/config/{path}` is `GET` with `list=true`; OpenAPI has no word for \
that method. A method that a path does not take, `OPTIONS` among them, is 405 with `Allow`: there is no CORS.

Every answer from 400 on is `application/problem+json` (RFC 9457), except where the request is no HTTP that could \
be routed: a head larger than 64 KiB is 431 or 414, one that is malformed 400, each without a body. Parameters \
that are unknown, or given twice, are refused but by `/healthz`, `/readyz` and `/metrics`, which take no notice of any. Members may be added to answers; clients ignore those that they do \
not know.";

/// The whole description.
fn document() -> Value {
    let mut components = Components::new();
    let operations = [
        entries::operations(&mut components),
        batches::operations(&mut components),
        changes::operations(&mut components),
        environments::operations(&mut components),
        proposals::operations(&mut components),
        access::operations(&mut components),
        server::operations(&mut components),
    ];
    let mut paths = Map::new();
    for (method, path, operation) in operations.into_iter().flatten().map(Operation::finish) {
        let item = paths.entry(path).or_insert_with(|| json!({}));
        assert!(item.get(method).is_none(), "{method} {path} is described twice");
        item[method] = operation;
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "confgit",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": env!("CARGO_PKG_DESCRIPTION"),
            "description": INTRODUCTION,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [
            { "url": "/", "description": "The server's first project" },
            {
                "url": "/p/{project}",
                "description": "A project by its name",
                "variables": { "project": { "default": "default", "description": "The project's name" } },
            },
        ],
        "security": [{ "bearer": [] }, { "key": [] }, {}],
        "tags": [
            { "name": "entries", "description": "Values, and what is said of them" },
            { "name": "batches", "description": "Many paths at once" },
            { "name": "changes", "description": "What was, and what differs" },
            { "name": "environments", "description": "Branches, by name" },
            { "name": "proposals", "description": "Changes that others agree to before they are made" },
            { "name": "access", "description": "Accounts, what they may do, and what was done" },
            { "name": "server", "description": "How the server is, and what it is" },
        ],
        "paths": paths,
        "components": components.finish(),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::api::http::{docs, project_routes, server_routes, target};

    #[test]
    fn the_committed_description_is_true() {
        let made = format!("{:#}\n", document());
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/openapi.json");
        if std::env::var_os("CONFGIT_RENEW_OPENAPI").is_some() {
            std::fs::write(file, made).unwrap();
            return;
        }
        assert!(
            made == docs::DESCRIPTION,
            "schemas/openapi.json is not what the code says; `make openapi` renews it"
        );
    }

    /// Paths and methods as the description writes them: `HEAD` and `LIST` are told in words.
    fn routed() -> BTreeSet<(String, String)> {
        let mut found = BTreeSet::new();
        let mut add = |path: &str, methods: &[&str]| {
            let path = path.replace("{*path}", "{path}");
            let path = if path.len() > 1 { path.trim_end_matches('/') } else { &path };
            for method in methods.iter().filter(|method| !matches!(**method, "HEAD" | "LIST")) {
                found.insert((path.to_owned(), method.to_ascii_lowercase()));
            }
        };
        for (path, methods) in project_routes().list().chain(server_routes().list()) {
            match (path, methods) {
                ("/api/config" | "/api/config/", []) => add(path, target::ROOT),
                ("/api/config/{*path}", []) => {
                    add(path, target::PATH);
                    for (name, methods) in target::OPERATIONS {
                        add(&format!("{path}/{name}"), methods);
                    }
                }
                // Git's own protocol.
                ("/config.git" | "/config.git/{*path}" | "/meta.git" | "/meta.git/{*path}", []) => {}
                (path, []) => panic!("say which methods {path} takes"),
                (path, methods) => add(path, methods),
            }
        }
        found
    }

    #[test]
    fn what_is_routed_is_described_and_the_other_way_round() {
        let document = document();
        let paths = document["paths"].as_object().unwrap().iter();
        let described: BTreeSet<(String, String)> = paths
            .flat_map(|(path, item)| {
                item.as_object().unwrap().keys().map(|method| (path.clone(), method.clone()))
            })
            .collect();
        let routed = routed();
        assert_eq!(routed.difference(&described).collect::<Vec<_>>(), Vec::<&(String, String)>::new());
        assert_eq!(described.difference(&routed).collect::<Vec<_>>(), Vec::<&(String, String)>::new());
    }
}
