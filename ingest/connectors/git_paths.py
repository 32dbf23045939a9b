"""What the path of a file in a repository tells: copied in from others, made by a program, or nothing to read.

The tables follow GitHub Linguist's `vendor.yml` and `generated.rb` where those are about names.
"""

from __future__ import annotations

import re

_VENDORED_FOLDERS = frozenset((
    "node_modules", "bower_components", "jspm_packages", "web_modules", "vendor", "vendors", "third_party", "third-party",
    "thirdparty", "3rdparty", "3rd_party", "dist", "pods", "carthage", "godeps", "site-packages", "dist-packages", ".venv",
    "venv", ".yarn", "wp-includes", "__pycache__", ".eggs", ".tox", ".gradle", ".terraform",
))  # fmt: skip
_ALSO_PACKAGES = frozenset({"vendor", "vendors", "dist"})
"""Ordinary words: below `src/` they name a package of the program (`src/main/java/kr/co/bank/vendor`)."""
_SOURCES = frozenset({"src", "lib", "app"})
_VENDORED_FILES = re.compile(
    r"(?:jquery|bootstrap|angular|react(?:-dom)?|vue|d3|lodash|underscore|moment|prototype|modernizr|ckeditor|tinymce)"
    r"(?:[.-]\d[\w.-]*|\.slim|\.bundle|\.core|-ui)*\.(?:js|css)|gradlew(?:\.bat)?|mvnw(?:\.cmd)?|\.pnp\.c?js",
)
_MINIFIED = re.compile(r".*[.-](?:min|prod|bundle)\.(?:js|mjs|cjs|css)|.*\.chunk\.(?:js|css)")
_LOCK_FILES = frozenset((
    "package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml", "bun.lock", "bun.lockb", "deno.lock",
    "poetry.lock", "pipfile.lock", "pdm.lock", "uv.lock", "pixi.lock", "cargo.lock", "composer.lock", "gemfile.lock",
    "go.sum", "go.work.sum", "gopkg.lock", "glide.lock", "podfile.lock", "cartfile.resolved", "package.resolved",
    "mix.lock", "pubspec.lock", "flake.lock", "packages.lock.json", "project.assets.json", "gradle.lockfile",
    "conan.lock", ".terraform.lock.hcl", "buf.lock", "chart.lock",
))  # fmt: skip
_GENERATED = re.compile(
    r".*(?:_pb2(?:_grpc)?\.pyi?|\.pb\.(?:go|h|cc|gw\.go|validate\.go)|_grpc\.pb\.go|\.pb\.swift|\.pbobjc\.[hm]|_pb\.(?:js|ts|d\.ts|rb)"
    r"|grpc\.pb\.(?:h|cc)|\.g\.(?:dart|cs|i\.cs)|\.freezed\.dart|\.designer\.(?:cs|vb)|\.generated\.\w+|_generated\.\w+"
    r"|\.gen\.(?:go|ts|js)|_gen\.go|zz_generated\.[\w.]+\.go|\.(?:js|css|mjs|cjs)\.map|\.tsbuildinfo|\.nib|\.xib\.strings)"
)
DOCUMENTS = frozenset((
    "pdf", "doc", "docx", "docm", "hwp", "hwpx", "hwpml", "xls", "xlsx", "xlsm", "xlsb", "ppt", "pptx", "pptm", "odt", "ods",
    "odp", "rtf", "eml", "msg", "epub", "mht", "mhtml",
))  # fmt: skip
"""Extensions of documents that are bytes to git and text to the parsers of documents."""
_BINARY = frozenset((
    "png", "jpg", "jpeg", "gif", "bmp", "ico", "icns", "webp", "tif", "tiff", "svg", "svgz", "psd", "ai", "eps", "heic", "avif",
    "mp3", "mp4", "m4a", "m4v", "mov", "avi", "mkv", "webm", "wav", "ogg", "flac", "aac",
    "zip", "jar", "war", "ear", "aar", "apk", "ipa", "gz", "tgz", "bz2", "xz", "zst", "7z", "rar", "tar", "whl", "egg", "nupkg",
    "gem", "deb", "rpm", "dmg", "iso", "cab", "msi",
    "exe", "dll", "so", "dylib", "a", "lib", "o", "obj", "class", "pyc", "pyo", "pyd", "wasm", "bin", "dat", "elc", "beam",
    "ttf", "otf", "woff", "woff2", "eot",
    "db", "sqlite", "sqlite3", "mdb", "parquet", "arrow", "feather", "npy", "npz", "pkl", "pickle", "h5", "hdf5", "onnx", "pt",
    "pth", "safetensors", "gguf", "tflite", "keystore", "jks", "p12", "pfx", "der", "swf", "fla", "blend", "fbx", "glb",
))  # fmt: skip
_LONGEST = 1700
"""Bytes of a path; with the repository's name it is a source key of at most 2,000."""


def extension_of(path: str) -> str:
    """The last extension in lower case, without its dot; empty without one."""
    name = path.rsplit("/", 1)[-1]
    return name.rsplit(".", 1)[1].lower() if "." in name else ""


def is_usable(path: str) -> bool:
    """Whether a path can be the name of a document: text, without characters that nobody sees or that mean something else."""
    if not path.isprintable() or "\\" in path or len(path.encode("utf-8", "replace")) > _LONGEST:
        return False
    return all(part == part.strip() and part not in ("", ".", "..") for part in path.split("/"))


def reason_of(path: str) -> str:
    """Why a file is not taken, by its path alone: `vendored`, `generated`, `minified` or `lock_file`; empty for no reason."""
    *folders, name = path.lower().split("/")
    for place, folder in enumerate(folders):
        if folder in _VENDORED_FOLDERS and not (folder in _ALSO_PACKAGES and _SOURCES.intersection(folders[:place])):
            return "vendored"
    if name in _LOCK_FILES:
        return "lock_file"
    if _MINIFIED.fullmatch(name):
        return "minified"
    if _VENDORED_FILES.fullmatch(name):
        return "vendored"
    return "generated" if _GENERATED.fullmatch(name) else ""


def is_binary(path: str) -> bool:
    """Whether the extension is that of pictures, sound, archives, programs or data."""
    return extension_of(path) in _BINARY
