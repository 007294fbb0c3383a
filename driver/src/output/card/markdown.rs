//! What a model card is written with.

/// Makes text of users harmless in Markdown: it is shown as it is, in one line.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            // They would end the line, or turn the direction of what follows.
            _ if character.is_control() => escaped.push('\u{FFFD}'),
            '\u{2028}' | '\u{2029}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => {
                escaped.push('\u{FFFD}');
            }
            '-' | ',' | '\'' | '/' => escaped.push(character),
            _ if character.is_ascii_punctuation() => escaped.extend(['\\', character]),
            _ => escaped.push(character),
        }
    }
    escaped
}

/// A block of code, whatever is in it.
pub(super) fn code_block(language: &str, code: &str) -> String {
    let mut longest = 0;
    let mut run = 0;
    for character in code.chars() {
        run = if character == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    let fence = "`".repeat(3.max(longest + 1));
    format!("{fence}{language}\n{code}\n{fence}\n")
}

/// A table whose first column is aligned to the left and the others to the right. Cells are escaped already.
pub(super) fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let heading: Vec<String> = heading.iter().map(|cell| (*cell).to_owned()).collect();
    let rule: Vec<String> =
        (0..heading.len()).map(|column| if column == 0 { "---" } else { "---:" }.to_owned()).collect();
    let body: String = rows.iter().map(|row| line(row)).collect();
    format!("{}{}{body}", line(&heading), line(&rule))
}

/// A list with a point for each text, which is escaped already.
pub(super) fn list(points: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    points.into_iter().map(|point| format!("- {}\n", point.as_ref())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_users_makes_no_markup() {
        assert_eq!(escape("great dane, 3/4's a-b"), "great dane, 3/4's a-b");
        assert_eq!(escape("a|b\n# <b>*c*</b>"), "a\\|b\u{FFFD}\\# \\<b\\>\\*c\\*\\</b\\>");
        assert_eq!(escape("[x](http://y)`&amp;"), "\\[x\\]\\(http\\://y\\)\\`\\&amp\\;");
        assert_eq!(escape("a\u{202E}b\r"), "a\u{FFFD}b\u{FFFD}");
        assert_eq!(escape("Käfer 🐞"), "Käfer 🐞");
    }

    #[test]
    fn code_can_not_end_its_block() {
        assert_eq!(code_block("json", "1"), "```json\n1\n```\n");
        assert_eq!(code_block("", "a\n````\nb"), "`````\na\n````\nb\n`````\n");
    }

    #[test]
    fn a_table_has_a_rule_below_its_heading() {
        let rows = vec![vec!["cat".to_owned(), "1".to_owned()]];
        assert_eq!(table(&["class", "n"], &rows), "| class | n |\n| --- | ---: |\n| cat | 1 |\n");
    }
}
