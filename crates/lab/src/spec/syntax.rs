//! What to write instead, for lines that are no TOML: the parser says where it stopped, not what was meant.

/// The cure for a line, if the slip is a common one; empty otherwise.
pub(super) fn cure(line: &str) -> String {
    let line = line.trim();
    let cured = if line.contains(['“', '”', '„', '‘', '’']) {
        Some("straight quotes: \"...\"".to_owned())
    } else if line.starts_with('[') {
        (!line.ends_with(']')).then(|| format!("{}]", line.split('#').next().unwrap_or(line).trim_end()))
    } else {
        match line.split_once('=') {
            Some((key, value)) => instead(value.trim()).map(|v| format!("{} = {v}", key.trim())),
            None => line
                .split_once(':')
                .map(|(key, value)| format!("\"=\" in place of \":\": {} = {}", key.trim(), value.trim())),
        }
    };
    cured.map(|text| format!("; write {text}")).unwrap_or_default()
}

/// The value that was probably meant.
fn instead(value: &str) -> Option<String> {
    let bare = value.split('#').next().unwrap_or(value).trim();
    match bare.to_lowercase().as_str() {
        "" => return Some("a value after it, or leave the line out".into()),
        "true" | "yes" | "on" => return Some("true".into()),
        "false" | "no" | "off" => return Some("false".into()),
        "none" | "null" | "nil" => return Some("nothing at all: leave the line out".into()),
        _ => {}
    }
    let quoted = bare.starts_with(['"', '\'']);
    match bare.chars().next()? {
        '[' if !bare.ends_with(']') => return Some(format!("{bare}]")),
        '"' if bare.contains('\\') => return Some(format!("'{}'", bare.trim_matches('"'))),
        q @ ('"' | '\'') if bare.len() == 1 || !bare.ends_with(q) => return Some(format!("{bare}{q}")),
        _ => {}
    }
    if !quoted && !bare.starts_with(['[', '{']) && bare.contains(',') {
        let parts: Vec<&str> = bare.split(',').map(str::trim).collect();
        return match parts[..] {
            [a, b] if whole(a) && whole(b) => Some(format!("[{a}, {b}] for a list, {a}.{b} for a number")),
            _ => Some(format!("[{}]", parts.join(", "))),
        };
    }
    if let Ok(x) = bare.parse::<f64>()
        && bare.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c))
    {
        let digits = bare.trim_start_matches(['+', '-']);
        return match whole(digits) {
            true if digits.starts_with('0') => Some(digits.trim_start_matches('0').to_owned()),
            true => Some(format!("a number of at most {}", i64::MAX)),
            false => Some(if x.fract() == 0.0 && x.abs() < 1e15 { format!("{x:.1}") } else { x.to_string() }),
        };
    }
    (bare.starts_with(char::is_alphabetic) && !bare.contains(['"', '=']))
        .then(|| format!("\"{bare}\", with quotes"))
}

fn whole(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a person would answer.
    #[test]
    fn common_slips_have_a_cure() {
        for (line, want) in [
            ("name = fa", "name = \"fa\", with quotes"),
            ("name = fa # the rule", "name = \"fa\", with quotes"),
            ("nesterov = True", "nesterov = true"),
            ("bias = no", "bias = false"),
            ("seed = 008", "seed = 8"),
            ("widths = 784,16,10", "widths = [784, 16, 10]"),
            ("widths = [784, 16", "widths = [784, 16]"),
            ("lr = .5", "lr = 0.5"),
            ("lr = 5.", "lr = 5.0"),
            ("lr = 1,5", "lr = [1, 5] for a list, 1.5 for a number"),
            ("lr = 1e-3f", ""),
            ("lr: 0.1", "\"=\" in place of \":\": lr = 0.1"),
            ("lr =", "lr = a value after it, or leave the line out"),
            ("subset = None", "subset = nothing at all: leave the line out"),
            ("seed = 99999999999999999999", "seed = a number of at most 9223372036854775807"),
            ("[data", "[data]"),
            ("name = \"fa", "name = \"fa\""),
            ("name = “fa”", "straight quotes: \"...\""),
            ("path = \"C:\\data\"", "path = 'C:\\data'"),
        ] {
            let want = if want.is_empty() { String::new() } else { format!("; write {want}") };
            assert_eq!(cure(line), want, "{line}");
        }
    }
}
