//! A table of media types; and three choices for the linker where the target is Linux with glibc, which are left out, and
//! nothing else changes, where they cannot be had.

use std::process::{Command, Stdio};
use std::{env, fs, io, path::Path};

/// What [`order`] reads.
const FIRST: &str = "link/first.txt";

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=build.rs");
    media_types()?;
    let native = env::var("HOST") == env::var("TARGET");
    let glibc = env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|it| it == "gnu");
    let linux = env::var("CARGO_CFG_TARGET_OS").is_ok_and(|it| it == "linux");
    if !(native && linux && glibc) {
        return Ok(());
    }
    // Fourteen thousand relocations in 3 KB and not in 340, which are read at each start. The loader knows the form from
    // glibc 2.36 on, and an older one would refuse the program, so it is asked.
    if said("getconf", &["GNU_LIBC_VERSION"]).is_some_and(|it| is_recent(&it)) {
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
    // The unwinder from the archive: the shared libgcc_s costs a dozen system calls and 110 KB at each start, for a
    // program that aborts on a panic.
    if let Some(archive) = said("cc", &["-print-file-name=libgcc_eh.a"])
        && let Some(folder) = Path::new(archive.trim()).parent()
        && folder.is_absolute()
    {
        println!("cargo:rustc-link-search=native={}", folder.display());
        println!("cargo:rustc-link-lib=static:-bundle=gcc_eh");
    }
    order()
}

/// Has the functions that a submission calls put side by side. They are a fifth of the program; strewn over it, they drag
/// nearly all of it into memory, since the kernel maps 64 KiB around each page that is touched. The linker script only adds
/// to the linker's own. A function that is not found by its name, as with another compiler, stays with the others.
fn order() -> io::Result<()> {
    println!("cargo:rerun-if-changed={FIRST}");
    println!("cargo:rerun-if-env-changed=RUSTC_LINKER");
    // Other builds have other functions; and a linker that somebody chose may know no scripts, as mold.
    let chosen = env::var("CARGO_ENCODED_RUSTFLAGS").is_ok_and(|it| it.contains("link"));
    if env::var("PROFILE").is_ok_and(|it| it != "release") || chosen || env::var_os("RUSTC_LINKER").is_some() {
        return Ok(());
    }
    let functions = fs::read_to_string(FIRST)?;
    // The compiler gives what is marked as cold the longer name; the standard library has more of that than is true.
    let sections: String = functions
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|name| format!("    *(.text.{name} .text.unlikely.{name})\n"))
        .collect();
    let script = Path::new(&env::var_os("OUT_DIR").unwrap_or_default()).join("first.ld");
    fs::write(&script, format!("SECTIONS {{\n  .text.first : {{\n{sections}  }}\n}}\nINSERT BEFORE .text;\n"))?;
    let option = format!("-Wl,-T,{}", script.display());
    if !option.contains(' ') && links(&option) {
        println!("cargo:rustc-link-arg-bins={option}");
    }
    Ok(())
}

/// Whether a program of nothing can be linked so.
fn links(option: &str) -> bool {
    let out = Path::new(&env::var_os("OUT_DIR").unwrap_or_default()).join("trial");
    let source = out.with_extension("c");
    fs::write(&source, "int main(void) { return 0; }\n").is_ok()
        && Command::new("cc")
            .args([source.as_os_str(), option.as_ref(), "-o".as_ref(), out.as_os_str()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|it| it.success())
}

/// What mime_guess knows, as a text of lines `extension type`. Its own table is 3,700 pointers, which the loader would go
/// through at each start.
fn media_types() -> io::Result<()> {
    let mut lines: Vec<String> = mime_guess::get_extensions("*", "*")
        .unwrap_or_default()
        .iter()
        .filter_map(|extension| {
            let kind = mime_guess::from_ext(extension).first_raw()?;
            Some(format!("{} {kind}\n", extension.to_ascii_lowercase()))
        })
        .collect();
    lines.sort();
    lines.dedup();
    let out = env::var_os("OUT_DIR").unwrap_or_default();
    fs::write(Path::new(&out).join("media-types"), format!("\n{}", lines.concat()))
}

/// Runs a program and returns what it printed; nothing if it is absent or failed.
fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether "glibc 2.36" is 2.36 or later.
fn is_recent(version: &str) -> bool {
    let mut numbers = version.trim().trim_start_matches("glibc ").split('.').map_while(|it| it.parse::<u32>().ok());
    (numbers.next(), numbers.next()) >= (Some(2), Some(36))
}
