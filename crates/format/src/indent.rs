//! JSON as `docker inspect` prints it. Source of the form: Go's `json.Indent`, which moves no member and changes no value.

/// Lays valid JSON out over lines, four spaces a level; `{}` and `[]` stay as they are.
pub fn indented(json: &str) -> String {
    indented_by(json, "    ")
}

/// The same with another step for each level.
pub fn indented_by(json: &str, step: &str) -> String {
    let mut text = String::with_capacity(json.len() * 2);
    let mut depth = 0;
    let (mut in_string, mut escaped) = (false, false);
    // An opened object or array gets its first line only when there is something in it.
    let mut opened = false;
    for character in json.chars() {
        if in_string {
            text.push(character);
            in_string = escaped || character != '"';
            escaped = !escaped && character == '\\';
            continue;
        }
        if character.is_ascii_whitespace() {
            continue;
        }
        let closes = matches!(character, '}' | ']');
        if closes {
            depth -= 1;
        }
        if opened != closes {
            new_line(&mut text, depth, step);
        }
        opened = matches!(character, '{' | '[');
        text.push(character);
        match character {
            '{' | '[' => depth += 1,
            ',' => new_line(&mut text, depth, step),
            ':' => text.push(' '),
            '"' => in_string = true,
            _ => {}
        }
    }
    text
}

fn new_line(text: &mut String, depth: usize, step: &str) {
    text.push('\n');
    text.extend(std::iter::repeat_n(step, depth));
}

#[cfg(test)]
mod tests {
    use super::indented;

    #[test]
    fn row_093_members_keep_their_order_and_values_their_form() {
        let json = r#"[{"b":1.50,"a":{},"l":[ ],"s":"x: {\\\"<\u003e, [","n":[null,true]}]"#;
        let expected = r#"[
    {
        "b": 1.50,
        "a": {},
        "l": [],
        "s": "x: {\\\"<\u003e, [",
        "n": [
            null,
            true
        ]
    }
]"#;
        assert_eq!(indented(json), expected);
        assert_eq!(indented("[]"), "[]");
    }
}
