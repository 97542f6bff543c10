use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::name::{joined, names};
use super::{BundleEntry, BundleFault, BundleOrigin, MOST_KUBERNETES_BYTES, fault, headline, text_of};
use crate::document::{self, Format};
use crate::model::{Object, Path, Value};

/// The longest name of an object, and of a key in its data: RFC 1123 subdomains, and `IsConfigMapKey` of Kubernetes.
const MOST_NAME_BYTES: usize = 253;

/// A `ConfigMap`. What secrets are part of is never in it.
pub(super) fn config_map(origin: &BundleOrigin, entries: &[BundleEntry]) -> Result<String, Vec<BundleFault>> {
    let keys = names(entries, |path| key(path, origin))?;
    let (mut data, mut binary, mut secret) = (Object::new(), Object::new(), Vec::new());
    let (mut bytes, mut faults) = (0, Vec::new());
    for (key, entry) in keys.into_iter().zip(entries) {
        if entry.has_secrets {
            secret.push(key);
            continue;
        }
        bytes += key.len();
        match &entry.value {
            Value::Bytes(content) => {
                let text = STANDARD.encode(content);
                bytes += text.len();
                binary.insert(key, Value::String(text));
            }
            value => match text_of(value) {
                Ok(text) => {
                    bytes += text.len();
                    data.insert(key, Value::String(text));
                }
                Err(reason) => faults.push(fault(&entry.path, reason)),
            },
        }
    }
    faults.extend(too_large(bytes));
    let mut members = vec![("data", Value::Object(data))];
    if !binary.is_empty() {
        members.push(("binaryData", Value::Object(binary)));
    }
    let mut comment = format!("# {}\n", headline(origin));
    if !secret.is_empty() {
        comment.push_str("# Not in here, for they hold secrets; format=k8s-secret has them:\n");
        comment.extend(secret.iter().map(|key| format!("#   {key}\n")));
    }
    manifest("ConfigMap", origin, &comment, members, faults)
}

/// A `Secret` with every entry, its values as base64.
pub(super) fn secret(origin: &BundleOrigin, entries: &[BundleEntry]) -> Result<String, Vec<BundleFault>> {
    let keys = names(entries, |path| key(path, origin))?;
    let (mut data, mut bytes, mut faults) = (Object::new(), 0, Vec::new());
    for (key, entry) in keys.into_iter().zip(entries) {
        let content = match &entry.value {
            Value::Bytes(content) => Ok(content.clone()),
            value => text_of(value).map(String::into_bytes),
        };
        match content {
            Ok(content) => {
                bytes += key.len() + content.len();
                data.insert(key, Value::String(STANDARD.encode(content)));
            }
            Err(reason) => faults.push(fault(&entry.path, reason)),
        }
    }
    faults.extend(too_large(bytes));
    let members = vec![("type", Value::from("Opaque")), ("data", Value::Object(data))];
    manifest("Secret", origin, &format!("# {}\n", headline(origin)), members, faults)
}

fn too_large(bytes: usize) -> Option<BundleFault> {
    let reason = format!("its {bytes} bytes are more than the {MOST_KUBERNETES_BYTES} that Kubernetes takes");
    (bytes > MOST_KUBERNETES_BYTES).then(|| fault(&Path::root(), reason))
}

fn manifest(
    kind: &str,
    origin: &BundleOrigin,
    comment: &str,
    members: Vec<(&str, Value)>,
    mut faults: Vec<BundleFault>,
) -> Result<String, Vec<BundleFault>> {
    let name = match object_name(origin) {
        Ok(name) => name,
        Err(reason) => {
            faults.push(fault(&Path::root(), reason));
            return Err(faults);
        }
    };
    if !faults.is_empty() {
        return Err(faults);
    }
    let text = |text: &str| Value::from(text);
    let pair = |name: &str, value: Value| (name.to_owned(), value);
    let annotations = Object::from_iter([
        pair("confgit/environment", text(&origin.environment)),
        pair("confgit/path", text(origin.path.as_str())),
        pair("confgit/revision", text(&origin.revision)),
        pair("confgit/sequence", text(&origin.sequence.to_string())),
    ]);
    let metadata =
        Object::from_iter([pair("name", text(&name)), pair("annotations", Value::Object(annotations))]);
    let mut manifest = Object::from_iter([
        pair("apiVersion", text("v1")),
        pair("kind", text(kind)),
        pair("metadata", Value::Object(metadata)),
    ]);
    manifest.extend(members.into_iter().map(|(name, value)| pair(name, value)));
    let yaml = document::emit(Format::Yaml, &Value::Object(manifest));
    let yaml = yaml.map_err(|error| vec![fault(&Path::root(), error.to_string())])?;
    Ok(format!("{comment}{}", String::from_utf8_lossy(&yaml)))
}

/// The segments below the bundle's path, parted by dots.
fn key(path: &Path, origin: &BundleOrigin) -> Result<String, String> {
    let own = if path.is_root() { origin.path.name().map(|name| Path::from_segments([name])) } else { None };
    let path = match &own {
        Some(Ok(own)) => own,
        _ => path,
    };
    let key = joined(path, ".", |c| c.is_ascii_alphanumeric() || "-_.".contains(c), '_');
    match key.as_str() {
        "" => Err("the root has no name".to_owned()),
        "." | ".." => Err(format!("Kubernetes allows no key `{key}`")),
        _ if key.starts_with("..") => Err(format!("Kubernetes allows no key that begins with `..`: `{key}`")),
        _ if key.len() > MOST_NAME_BYTES => {
            Err(format!("its key has {} bytes; Kubernetes allows {MOST_NAME_BYTES}", key.len()))
        }
        _ => Ok(key),
    }
}

/// A name that is given has to be one; the path is made into one.
fn object_name(origin: &BundleOrigin) -> Result<String, String> {
    let is_subdomain = |name: &str| {
        let edge = |byte: Option<u8>| byte.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let label = |label: &str| edge(label.bytes().next()) && edge(label.bytes().last());
        name.len() <= MOST_NAME_BYTES
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.')
            && name.split('.').all(label)
    };
    if let Some(name) = &origin.name {
        let wrong = format!("`{name}` is no name of an object: lower case letters, digits, `-` and `.`");
        return if is_subdomain(name) { Ok(name.clone()) } else { Err(wrong) };
    }
    if origin.path.is_root() {
        return Err("the root has no name: give one with name=".to_owned());
    }
    let name = joined(&origin.path, "-", |c| c.is_ascii_alphanumeric(), '-').to_ascii_lowercase();
    let name = name.trim_matches('-').to_owned();
    let wrong = format!("no name can be made of {}: give one with name=", origin.path);
    if is_subdomain(&name) { Ok(name) } else { Err(wrong) }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{entries, origin, reasons};
    use super::*;

    #[test]
    fn a_config_map_names_its_origin_and_leaves_secrets_out() {
        let list = entries(&[
            ("/database/host", "\"db\""),
            ("/database/port", "5432"),
            ("/database/secret", "\"hidden\""),
            ("/a b", "true"),
        ]);
        assert_eq!(
            config_map(&origin("/MyApp/x_y"), &list).unwrap(),
            "# /MyApp/x_y of prod, change set 7, revision abc\n\
             # Not in here, for they hold secrets; format=k8s-secret has them:\n\
             #   database.secret\n\
             apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: myapp-x-y\n  annotations:\n    \
             confgit/environment: prod\n    confgit/path: /MyApp/x_y\n    confgit/revision: abc\n    \
             confgit/sequence: \"7\"\ndata:\n  database.host: db\n  database.port: \"5432\"\n  a_b: \"true\"\n"
        );
        let secret = secret(&origin("/app"), &list[2..3]).unwrap();
        assert!(secret.contains("kind: Secret") && secret.contains("database.secret: aGlkZGVu"), "{secret}");
    }

    #[test]
    fn what_kubernetes_would_not_take_is_refused() {
        let long = format!("/{}/{}", "x".repeat(200), "y".repeat(60));
        let list = entries(&[(long.as_str(), "1"), ("/ok", "2")]);
        assert!(
            reasons(config_map(&origin("/app"), &list).unwrap_err())[0].contains("Kubernetes allows 253")
        );
        let big = format!("\"{}\"", "x".repeat(MOST_KUBERNETES_BYTES));
        let refused = reasons(secret(&origin("/app"), &entries(&[("/a", &big)])).unwrap_err());
        assert!(refused[0].contains("more than the 1048576"), "{refused:?}");
        assert!(
            reasons(config_map(&origin("/"), &list[1..]).unwrap_err())[0].contains("give one with name=")
        );
        let named = BundleOrigin { name: Some("Not_OK".to_owned()), ..origin("/app") };
        assert!(reasons(config_map(&named, &list[1..]).unwrap_err())[0].contains("is no name of an object"));
        let named = BundleOrigin { name: Some("web.config-1".to_owned()), ..origin("/") };
        assert!(config_map(&named, &list[1..]).unwrap().contains("name: web.config-1\n"));
    }
}
