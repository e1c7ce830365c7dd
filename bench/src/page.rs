// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Pages of results: the machine that they were measured on, and tables that replace older ones.

use std::fs;

/// The processor, how many cores it has, and the kernel.
#[must_use]
pub fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let mut models = info
        .lines()
        .filter_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map(|(_, model)| model.trim());
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!(
        "{}, {} cores, Linux {}",
        models.next().unwrap_or("unknown processor"),
        1 + models.count(),
        kernel.trim()
    )
}

/// The page with a table between the marks of this name. A page without them gets them at its end.
#[must_use]
pub fn put(page: &str, name: &str, text: &str) -> String {
    let begin = format!("<!-- measured {name} -->\n");
    let (before, rest) = page.split_once(&begin).unwrap_or((page, ""));
    let after = rest.split_once(END).map_or("", |(_, after)| after);
    format!("{before}{begin}\n{}\n\n{END}{after}", text.trim_end())
}

/// Closes what a mark has opened.
const END: &str = "<!-- end -->\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_replaces_the_one_between_its_marks() {
        let page = put("text\n", "a", "1");
        let page = put(&page, "b", "2") + "more\n";
        let page = put(&page, "a", "3");
        let expected = "text\n<!-- measured a -->\n\n3\n\n<!-- end -->\n\
                        <!-- measured b -->\n\n2\n\n<!-- end -->\nmore\n";
        assert_eq!(page, expected);
    }
}
