"""Media types that Seogo tells apart, and the tables that `identify.py` decides by."""

from __future__ import annotations

PDF = "application/pdf"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
DOC = "application/msword"
XLS = "application/vnd.ms-excel"
XLS_XML = "application/vnd.ms-excel+xml"
DOC_XML = "application/msword+xml"
PPT = "application/vnd.ms-powerpoint"
XLSB = "application/vnd.ms-excel.sheet.binary.macroenabled.12"
RTF = "application/rtf"
ODT = "application/vnd.oasis.opendocument.text"
ODS = "application/vnd.oasis.opendocument.spreadsheet"
ODP = "application/vnd.oasis.opendocument.presentation"
HWP = "application/x-hwp"
HWP3 = "application/x-hwp-v3"
HWPX = "application/hwp+zip"
HTML = "text/html"
MARKDOWN = "text/markdown"
CSV = "text/csv"
TSV = "text/tab-separated-values"
TEXT = "text/plain"
SOURCE_CODE = "text/x-source"
PNG = "image/png"
JPEG = "image/jpeg"
TIFF = "image/tiff"
WEBP = "image/webp"
BMP = "image/bmp"
EMAIL = "message/rfc822"
OUTLOOK = "application/vnd.ms-outlook"
MHTML = "multipart/related"
EPUB = "application/epub+zip"
ASCIIDOC = "text/asciidoc"
RST = "text/x-rst"
JSON = "application/json"
JSONL = "application/x-ndjson"
XML = "application/xml"
VTT = "text/vtt"
SRT = "application/x-subrip"
MBOX = "application/mbox"
TNEF = "application/ms-tnef"
ZIP = "application/zip"
SEVEN_ZIP = "application/x-7z-compressed"
TAR = "application/x-tar"
GZIP = "application/gzip"
BZIP2 = "application/x-bzip2"
XZ = "application/x-xz"
BINARY = "application/octet-stream"

NAMES = {
    PDF: "PDF",
    DOCX: "Word (.docx)",
    PPTX: "PowerPoint (.pptx)",
    XLSX: "Excel (.xlsx)",
    ODT: "OpenDocument Text (.odt)",
    ODS: "OpenDocument Spreadsheet (.ods)",
    ODP: "OpenDocument Presentation (.odp)",
    HWP: "HWP 5",
    HWP3: "HWP 3",
    HWPX: "HWPX",
    EMAIL: "e-mail (.eml)",
    OUTLOOK: "Outlook (.msg)",
    PNG: "PNG",
    JPEG: "JPEG",
    TIFF: "TIFF",
    WEBP: "WEBP",
    BMP: "BMP",
    MBOX: "mailbox (.mbox)",
    TNEF: "Outlook TNEF (winmail.dat)",
    ZIP: "ZIP",
    SEVEN_ZIP: "7z",
    TAR: "TAR",
    GZIP: "gzip",
    BZIP2: "bzip2",
    XZ: "xz",
    "application/vnd.rar": "RAR",
    "application/x-egg": "EGG (ALZip)",
    "application/x-alz": "ALZ (ALZip)",
    BINARY: "binary data",
    "image/gif": "GIF",
    "application/postscript": "PostScript",
    "application/zstd": "Zstandard",
    "application/x-elf": "a Linux program (ELF)",
    "application/vnd.microsoft.portable-executable": "a Windows program (EXE, DLL)",
    "application/vnd.sqlite3": "an SQLite database",
    "application/vnd.apache.parquet": "Parquet",
    "video/mp4": "video (MP4)",
    "video/x-matroska": "video (MKV, WebM)",
    "audio/mpeg": "audio (MP3)",
    "audio/ogg": "audio (Ogg)",
    "application/x-riff": "audio or video (WAV, AVI)",
    "application/vnd.oasis.opendocument.graphics": "OpenDocument Drawing (.odg)",
    DOC: "Word 97-2003 (.doc)",
    XLS: "Excel 97-2003 (.xls)",
    XLS_XML: "Excel 2003 XML",
    DOC_XML: "Word 2003 XML",
    PPT: "PowerPoint 97-2003 (.ppt)",
    XLSB: "Excel (.xlsb)",
    "application/x-ole-storage": "OLE",
    EPUB: "EPUB",
    "application/java-archive": "JAR",
    MHTML: "MHTML",
    RTF: "RTF",
}
"""How a format is called in a message; a media type that is not here is shown as it is."""

KOREAN_NAMES = {
    BINARY: "이진 데이터",
    EMAIL: "이메일(.eml)",
    MBOX: "메일함(.mbox)",
    "application/x-elf": "리눅스 실행 파일(ELF)",
    "application/vnd.microsoft.portable-executable": "Windows 실행 파일(EXE, DLL)",
    "application/vnd.sqlite3": "SQLite 데이터베이스",
    "video/mp4": "동영상(MP4)",
    "video/x-matroska": "동영상(MKV, WebM)",
    "audio/mpeg": "오디오(MP3)",
    "audio/ogg": "오디오(Ogg)",
    "application/x-riff": "오디오 또는 동영상(WAV, AVI)",
}
"""Those whose name is not the same in a Korean message."""

MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", PNG),
    (0, b"\xff\xd8\xff", JPEG),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (0, b"II*\0", TIFF),
    (0, b"MM\0*", TIFF),
    (8, b"WEBPVP8", WEBP),
    (0, b"BM", BMP),
    (0, b"HWP Document File V3", HWP3),
    (0, b"{\\rtf", RTF),
    (0, b"%!PS", "application/postscript"),
    (0, b"\x78\x9f\x3e\x22", TNEF),
    (0, b"\x1f\x8b", GZIP),
    (0, b"BZh", BZIP2),
    (0, b"\xfd7zXZ\0", XZ),
    (0, b"\x28\xb5\x2f\xfd", "application/zstd"),
    (0, b"7z\xbc\xaf\x27\x1c", SEVEN_ZIP),
    (0, b"Rar!\x1a\x07", "application/vnd.rar"),
    (0, b"EGGA", "application/x-egg"),
    (0, b"ALZ\x01", "application/x-alz"),
    (257, b"ustar", TAR),
    (0, b"\x7fELF", "application/x-elf"),
    (0, b"MZ", "application/vnd.microsoft.portable-executable"),
    (0, b"SQLite format 3\0", "application/vnd.sqlite3"),
    (0, b"PAR1", "application/vnd.apache.parquet"),
    (4, b"ftyp", "video/mp4"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"OggS", "audio/ogg"),
    (0, b"RIFF", "application/x-riff"),
    (0, b"\x1aE\xdf\xa3", "video/x-matroska"),
)
"""(offset, bytes, media type), first match wins; signatures as in the formats' own specifications."""

LOOKS_LIKE_WORDS = frozenset({b"MZ", b"BM", b"BZh", b"ID3", b"PAR1", b"RIFF", b"ftyp", b"EGGA", b"OggS", b"ALZ\x01"})
"""Signatures that a text may begin with: believed only if what follows is no text."""

_CODE = (
    "abap bash bat c cbl cc cfg cjs clj cmake cmd cob conf cpp cpy cs cshtml css cts cxx dart ddl dockerfile ejs el env",
    "erb erl ex exs fs gemspec hh hxx ipp ksh mts phtml pkb pks plsql pyw rake",
    "gitignore go gradle graphql groovy h hcl hpp hs ini ipynb java jl js json jsonl jsp jsx kt kts less lua m",
    "makefile mjs ml mm nginx pas php pl plsql pm properties proto ps1 psm1 py pyi pyx r rb rs sass scala scss sh sol",
    "sql svelte swift tcl tf thrift toml ts tsx vb vbs vue xml xsd xsl yaml yml zig zsh",
)
CODE_EXTENSIONS = frozenset(name for line in _CODE for name in line.split())
"""Extensions (or whole names without a dot) read as source code or configuration: lines matter."""

TEMPLATE_EXTENSIONS = frozenset({"cshtml", "ejs", "erb", "jsp", "php", "svelte", "vue", "xml", "xsl"})
"""Source code that may begin like an HTML page and is code all the same."""

MARKDOWN_EXTENSIONS = frozenset({"md", "markdown", "mdown", "mkd", "mdx", "qmd", "rmd"})
HTML_EXTENSIONS = frozenset({"html", "htm", "xhtml"})
OFFICE_EXTENSIONS = frozenset({"xls", "xlsx", "xlt", "doc", "docx", "dot", "ppt", "pptx", "hwp"})
"""Programs write web pages and separated values under these names, for Office to open them."""

MHTML_EXTENSIONS = frozenset({"mht", "mhtml"})

TEXT_EXTENSIONS = {
    "adoc": ASCIIDOC, "asciidoc": ASCIIDOC, "asc": ASCIIDOC, "rst": RST, "rest": RST, "jsonl": JSONL, "ndjson": JSONL,
    "json": JSON, "geojson": JSON, "xml": XML, "vtt": VTT, "srt": SRT,
}  # fmt: skip
"""Kinds of text that only the extension tells; JSON and XML are taken for code where they are settings (`identify.py`)."""

JSON_SETTINGS = frozenset({
    "package.json", "package-lock.json", "composer.json", "tsconfig.json", "jsconfig.json", "angular.json",
    "manifest.json", "bower.json", "appsettings.json", "launch.json", "settings.json", "tasks.json", "deno.json",
    "nx.json", "lerna.json", "turbo.json", "vercel.json",
})  # fmt: skip
"""JSON that is part of a program: read as code, as developers see it."""

OPC_MAIN_PARTS = (
    ("wordprocessingml.document.main+xml", DOCX),
    ("wordprocessingml.template.main+xml", DOCX),
    ("ms-word.document.macroEnabled.main+xml", DOCX),
    ("ms-word.template.macroEnabledTemplate.main+xml", DOCX),
    ("presentationml.presentation.main+xml", PPTX),
    ("presentationml.slideshow.main+xml", PPTX),
    ("presentationml.template.main+xml", PPTX),
    ("ms-powerpoint.presentation.macroEnabled.main+xml", PPTX),
    ("ms-powerpoint.slideshow.macroEnabled.main+xml", PPTX),
    ("spreadsheetml.sheet.main+xml", XLSX),
    ("spreadsheetml.template.main+xml", XLSX),
    ("ms-excel.sheet.macroEnabled.main+xml", XLSX),
    ("ms-excel.template.macroEnabled.main+xml", XLSX),
    ("ms-excel.sheet.binary.macroEnabled.main", XLSB),
)
"""Content types of the main part (ECMA-376 part 1, and Microsoft's macro variants of them)."""

OPC_MAIN_NAMES = (
    ("word/document.xml", DOCX),
    ("ppt/presentation.xml", PPTX),
    ("xl/workbook.xml", XLSX),
    ("Contents/content.hpf", HWPX),
)
"""Where the main part stands in practice, for packages whose content types are missing."""

OLE_STREAMS = (
    ("worddocument", DOC),
    ("workbook", XLS),
    ("book", XLS),
    ("powerpoint document", PPT),
    ("__properties_version1.0", OUTLOOK),
)
"""Top-level streams of compound files ([MS-DOC], [MS-XLS], [MS-PPT], [MS-OXMSG]), lower case."""


def format_name(media_type: str) -> str:
    """What to call a format in a message to the user."""
    return NAMES.get(media_type, media_type)


def named(media_type: str) -> dict[str, str]:
    """What an error says of the format that was found: `found`, and `found_ko` where that is another word in Korean."""
    korean = {"found_ko": KOREAN_NAMES[media_type]} if media_type in KOREAN_NAMES else {}
    return {"found": format_name(media_type), **korean}
