use crate::cli::CliError;
use crate::cli::output::{Emphasis, Output};
use crate::service::{TreeFinding, TreeReport};

/// The longest line of a file that is shown, in characters.
const MOST_LINE: usize = 160;

/// Prints each problem as compilers do: what, where, and the line with the place underlined.
pub fn print(report: &TreeReport, output: &mut Output) -> Result<(), CliError> {
    for finding in &report.findings {
        print_one(finding, output)?;
        output.line("")?;
    }
    let count =
        |count: usize, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
    let environments: Vec<&str> = report.environments.iter().map(|name| &**name).collect();
    let looked = format!(
        "{} with {} in {}",
        count(report.files, "file", "files"),
        count(report.entries, "entry", "entries"),
        if environments.is_empty() { "no environment".to_owned() } else { environments.join(", ") },
    );
    let result = match report.findings.len() {
        0 => "all is well".to_owned(),
        problems => count(problems, "problem", "problems"),
    };
    output.line(format!("{looked}: {result}"))
}

fn print_one(finding: &TreeFinding, output: &mut Output) -> Result<(), CliError> {
    let diagnostic = &finding.diagnostic;
    let title = output.emphasized(&format!("error[{}]", diagnostic.rule.name()), Emphasis::Removed);
    let path = diagnostic.path.as_ref().map(|path| format!("{path}: ")).unwrap_or_default();
    output.line(format!("{title}: {path}{}", diagnostic.message))?;
    let mut place = diagnostic.file.clone().unwrap_or_default();
    if let Some(position) = diagnostic.position {
        place.push_str(&format!(":{}:{}", position.line, position.column));
    }
    let env = finding.environment.as_ref().map(|name| format!("in {name}")).unwrap_or_default();
    let place = [place, env].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ");
    let Some((position, line)) = diagnostic.position.zip(finding.line.as_deref()) else {
        return if place.is_empty() { Ok(()) } else { output.line(format!("  --> {place}")) };
    };
    let number = position.line.to_string();
    let margin = " ".repeat(number.len());
    let faint = |text: &str| output.emphasized(text, Emphasis::Faint);
    let (arrow, bar) = (faint(&format!("{margin}--> ")), faint(&format!("{margin} |")));
    let shown: String = line.chars().take(MOST_LINE).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let column = usize::try_from(position.column).unwrap_or(1).saturating_sub(1);
    let marks = "^".repeat(marked(line, column));
    let marks = output.emphasized(&marks, Emphasis::Removed);
    let numbered = faint(&format!("{number} |"));
    output.line(format!("{arrow}{place}"))?;
    output.line(&bar)?;
    output.line(format!("{numbered} {shown}"))?;
    output.line(format!("{bar} {}{marks}", " ".repeat(column.min(MOST_LINE))))
}

/// How many characters are underlined: the key or the value that begins there, up to its end.
fn marked(line: &str, column: usize) -> usize {
    let rest = line.chars().skip(column);
    let length = rest.take_while(|c| !c.is_whitespace() && !matches!(c, ':' | ',' | '=' | '}' | ']')).count();
    length.clamp(1, MOST_LINE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_underlined() {
        for (line, column, count) in [("pool_size: 5000", 0, 9), ("  a: [", 5, 1), ("", 3, 1), ("x", 0, 1)] {
            assert_eq!(marked(line, column), count, "{line}");
        }
    }
}
