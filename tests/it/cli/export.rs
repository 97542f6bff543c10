//! What services read, at a terminal and for other tools.

use super::on_both;

#[test]
fn values_are_printed_as_they_are_written_or_as_services_read_them() {
    on_both(|on| {
        let get = |arguments: &[&str]| on.run(&[&["get"], arguments].concat()).ok();
        assert_eq!(get(&["/checkout/database/host", "-e", "prod"]), "${DB_HOST:localhost}\n");
        assert_eq!(
            get(&["/checkout/database/host", "-e", "prod", "--resolve"]),
            "db.prod.example.internal\n"
        );
        let whole = get(&["/checkout/database", "-e", "prod", "--resolve"]);
        assert!(whole.contains("password: s3cret-of-the-tests\n"), "{whole}");
        let written = get(&["/checkout/database", "--format", "yaml"]);
        assert!(written.contains("password: ${secret:db-password}\n"), "{written}");
        let shipping = get(&["/services/shipping", "--resolve", "--format", "json"]);
        assert!(shipping.contains("\"port\": 8084") && !shipping.contains("$extends"), "{shipping}");
    });
}

#[test]
fn bundles_are_written_for_other_tools() {
    on_both(|on| {
        let export = |arguments: &[&str]| {
            on.run(&[&["export", "/checkout/database", "-e", "prod"], arguments].concat())
        };
        let refused = export(&["--format", "env"]).fails(4);
        assert!(refused.contains("/checkout/database/password: holds a secret (db-password)"), "{refused}");
        let env = export(&["--format", "env", "--resolve"]).ok();
        assert!(
            env.contains("\nHOST=db.prod.example.internal\n") && env.contains("PASSWORD=s3cret"),
            "{env}"
        );
        let map = export(&["--format", "k8s-configmap", "--name", "shop"]).ok();
        assert!(map.contains("name: shop\n") && map.contains("#   password\n"), "{map}");
        for format in ["yaml", "json", "toml", "text"] {
            let refused = export(&["--format", format]).fails(4);
            assert!(refused.contains("/checkout/database/password: holds a secret"), "{format}: {refused}");
        }
        let yaml = export(&["--format", "yaml", "--resolve"]).ok();
        assert!(yaml.contains("host: db.prod.example.internal\n") && yaml.contains("s3cret"), "{yaml}");
        let text = export(&["--format", "text", "--resolve"]).ok();
        assert!(text.starts_with("/host = db.prod.example.internal\n"), "{text}");
        let port = on.run(&["export", "/checkout/database/port", "-e", "prod", "--format", "text"]).ok();
        assert_eq!(port.trim(), "5432");
        export(&["--format", "env", "--name", "x"]).fails(2);
        on.run(&["export", "/nowhere", "--format", "env"]).fails(3);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(".env");
        export(&["--format", "env", "--resolve", "--to", file.to_str().unwrap()]).ok();
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), env);
    });
}
