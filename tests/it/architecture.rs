//! ARCHITECTURE.md lists the rooms and what each may import; the code has to agree.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The table of rooms: name and what it may import, top to bottom.
fn table() -> Vec<(String, BTreeSet<String>)> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/ARCHITECTURE.md")).unwrap();
    let rows = text.lines().skip_while(|line| !line.starts_with("| room | holds | may import |")).skip(2);
    rows.take_while(|line| line.starts_with('|'))
        .map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').collect();
            let names =
                |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<BTreeSet<_>>();
            (names(cells[0]).into_iter().next().unwrap(), names(cells[2]))
        })
        .collect()
}

/// Which rooms the files of a room name, with the place.
fn imports(room: &Path, found: &mut BTreeMap<String, String>) {
    if room.is_dir() {
        for entry in std::fs::read_dir(room).unwrap() {
            imports(&entry.unwrap().path(), found);
        }
        return;
    }
    if room.extension().is_none_or(|extension| extension != "rs") {
        return;
    }
    let text = std::fs::read_to_string(room).unwrap();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
        for (at, _) in line.match_indices("crate::") {
            let rest = &line[at + "crate::".len()..];
            let place = format!("{}:{}", room.display(), number + 1);
            let names: Vec<&str> = match rest.strip_prefix('{') {
                Some(list) => list.split(',').map(str::trim).collect(),
                None => vec![rest],
            };
            for name in names {
                let name: String = name.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
                if !name.is_empty() {
                    found.entry(name).or_insert_with(|| place.clone());
                }
            }
        }
    }
}

#[test]
fn rooms_import_what_their_row_allows() {
    let rooms = table();
    assert!(rooms.len() > 10, "the table of rooms was not found");
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for (index, (room, allowed)) in rooms.iter().enumerate() {
        for name in allowed {
            if !rooms[index + 1..].iter().any(|(below, _)| below == name) {
                wrong.push(format!("the row of `{room}` names `{name}`, which is no row below it"));
            }
        }
        let place = if src.join(room).is_dir() { src.join(room) } else { src.join(format!("{room}.rs")) };
        assert!(place.exists(), "the room `{room}` of the table does not exist");
        let mut found = BTreeMap::new();
        imports(&place, &mut found);
        for (name, at) in found {
            if name != *room && !allowed.contains(&name) {
                wrong.push(format!("{at}: `{room}` imports `{name}`"));
            }
        }
    }
    for entry in std::fs::read_dir(&src).unwrap() {
        let name = entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned();
        if !["lib", "main"].contains(&name.as_str()) && !rooms.iter().any(|(room, _)| *room == name) {
            wrong.push(format!("the room `{name}` is not in the table"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
