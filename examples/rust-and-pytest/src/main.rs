//! Prints numbers as the Romans wrote them: `roman 14` prints XIV.

use std::process::ExitCode;

const DIGITS: [(u32, &str); 13] = [
    (1000, "M"),
    (900, "CM"),
    (500, "D"),
    (400, "CD"),
    (100, "C"),
    (90, "XC"),
    (50, "L"),
    (40, "XL"),
    (10, "X"),
    (9, "IX"),
    (5, "V"),
    (4, "IV"),
    (1, "I"),
];

fn roman(mut number: u32) -> Option<String> {
    if !(1..4000).contains(&number) {
        return None;
    }
    let mut text = String::new();
    for (value, digits) in DIGITS {
        while number >= value {
            text.push_str(digits);
            number -= value;
        }
    }
    Some(text)
}

fn run() -> Result<(), lexopt::Error> {
    use lexopt::prelude::*;

    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Value(number) => {
                let text = roman(number.parse()?).ok_or("the Romans wrote 1 to 3999 only")?;
                println!("{text}");
            }
            other => return Err(other.unexpected()),
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("roman: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::roman;

    #[test]
    fn numbers() {
        for (number, text) in [
            (1, "I"),
            (14, "XIV"),
            (1999, "MCMXCIX"),
            (3888, "MMMDCCCLXXXVIII"),
        ] {
            assert_eq!(roman(number).as_deref(), Some(text));
        }
        assert_eq!(roman(0), None);
        assert_eq!(roman(4000), None);
    }
}
