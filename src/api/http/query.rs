use super::problem::Problem;

/// What may be given several times.
pub(super) const REPEATED: [&str; 1] = ["prefix"];

/// The parameters of a request. One that the handler does not know is refused: `?evn=prod` must not read base.
#[derive(Debug, Default)]
pub(super) struct Query {
    pairs: Vec<(String, String)>,
}

impl Query {
    /// Reads a query string that may hold these parameters, each once.
    pub fn parse(query: Option<&str>, known: &[&str]) -> Result<Self, Problem> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            if !known.contains(&&*name) {
                let known = match known {
                    [] => "this takes none".to_owned(),
                    known => format!("there are: {}", known.join(", ")),
                };
                return Err(Problem::malformed(format!("unknown parameter `{name}`; {known}")));
            }
            if !REPEATED.contains(&&*name) && pairs.iter().any(|(other, _)| *other == name) {
                return Err(Problem::malformed(format!("the parameter `{name}` is given twice")));
            }
            pairs.push((name.into_owned(), value.into_owned()));
        }
        Ok(Query { pairs })
    }

    /// The text of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// The texts of a parameter that may be given several times.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs.iter().filter(move |(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// The text of a parameter that says nothing when it is empty.
    pub fn text(&self, name: &str) -> Result<Option<&str>, Problem> {
        match self.get(name) {
            Some("") => Err(Problem::malformed(format!("`{name}` is empty"))),
            found => Ok(found),
        }
    }

    /// Whether a parameter is `true` (or stands there without a value).
    pub fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.get(name) {
            None | Some("false") => Ok(false),
            Some("true" | "") => Ok(true),
            Some(other) => Err(Problem::malformed(format!("`{name}` is true or false, not `{other}`"))),
        }
    }

    /// A parameter that is a whole number.
    pub fn number(&self, name: &str) -> Result<Option<u64>, Problem> {
        let Some(text) = self.get(name) else { return Ok(None) };
        text.parse()
            .map(Some)
            .map_err(|_| Problem::malformed(format!("`{name}` is a whole number, not `{text}`")))
    }
}
