"""The only settings module: each value is read from the environment by env.py, or a constant."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import dj_database_url
import neuroglancer
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from lightserv_site import env
from lightserv_site.checkout import commit_of
from lightserv_site.console import LOOK
from lightserv_site.logs import logging_of

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = BASE_DIR / "var"

DEBUG = env.flag("DEBUG", default=False)
SECRET_KEY = env.secret("SECRET_KEY")
SITE_URL = env.origin("SITE_URL", default="http://localhost:8000")
VIEWER_URL = env.origin("VIEWER_URL", default="http://127.0.0.1:8000")
SITE_HOST = urlsplit(SITE_URL).hostname or ""
VIEWER_HOST = urlsplit(VIEWER_URL).hostname or ""
ALLOWED_HOSTS = [SITE_HOST, VIEWER_HOST]
CSRF_TRUSTED_ORIGINS = [SITE_URL]

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "unfold.contrib.inlines",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "bootstrap",
    "crispy_forms",
    "crispy_bootstrap5",
    "django_htmx",
    "django_q",
    "csp",
    "core_app",
    "requests_app",
    "imaging_app",
    "processing_app",
    "viewers_app",
    "facility_app",
    "datajoint_app",
    "lightserv_site",
]

MIDDLEWARE = [
    "lightserv_site.middleware.RouteByHost",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "lightserv_site.middleware.PolicyByFamily",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "allauth.usersessions.middleware.UserSessionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "lightserv_site.urls"
VIEWER_URLCONF = "lightserv_site.viewer_urls"
WSGI_APPLICATION = "lightserv_site.wsgi.application"

# A facility's own wording stands before ours.
TEMPLATE_DIR = env.path("TEMPLATE_DIR", default=VAR_DIR / "templates")
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [TEMPLATE_DIR, BASE_DIR / "lightserv_site" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "lightserv_site.context.site",
            ]
        },
    }
]


def _database() -> dict[str, object]:
    """Return the database entry, with what each engine needs to be safe under concurrency."""
    url = env.secret("DATABASE_URL", default=f"sqlite:///{VAR_DIR / 'lightserv.sqlite3'}")
    entry: dict[str, Any] = dict(
        dj_database_url.parse(url, conn_max_age=60, conn_health_checks=True)
    )
    if entry["ENGINE"] == "django.db.backends.sqlite3":
        # IMMEDIATE takes the write lock at BEGIN, so a reader never fails when it turns writer.
        entry["OPTIONS"] = {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        }
        # A file, not memory: the tests race real threads and processes against each other.
        entry["TEST"] = {"NAME": str(VAR_DIR / "test.sqlite3")}
    elif entry["ENGINE"] == "django.db.backends.mysql":
        # READ COMMITTED: a guarded UPDATE must see what others committed, without gap locks.
        entry["OPTIONS"] = {
            **entry.get("OPTIONS", {}),
            "charset": "utf8mb4",
            "isolation_level": "read committed",
            "init_command": "SET sql_mode='STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION'",
        }
        entry["TEST"] = {"CHARSET": "utf8mb4", "COLLATION": "utf8mb4_unicode_ci"}
    else:
        raise ImproperlyConfigured("DATABASE_URL must begin with sqlite:/// or mysql://.")
    return entry


DATABASES = {"default": _database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "core_app.User"
AUTHENTICATION_BACKENDS = [
    "core_app.accounts.RefuseDemoPassword",
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "core_app.accounts.NoDemoPassword"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "core_app.accounts.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_SESSION_REMEMBER = True
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes", "webauthn"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = DEBUG
SIGN_UP = env.flag("SIGN_UP", default=False)

LANGUAGE_CODE = "en-us"
USE_TZ = True
TIME_ZONE = env.text("TIME_ZONE", default="UTC")
WORKDAY_START = env.integer("WORKDAY_START", default=8)
WORKDAY_END = env.integer("WORKDAY_END", default=18, minimum=1)

STATIC_URL = "/static/"
STATIC_ROOT = VAR_DIR / "static"
NEUROGLANCER_CLIENT = Path(neuroglancer.__file__).parent / "static" / "client"
STATICFILES_DIRS = [("neuroglancer", NEUROGLANCER_CLIENT)]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = DEBUG


def _never_changes(path: str, url: str) -> bool:
    """Return True for files with a hash in their name: browsers may keep them for ever."""
    return re.search(r"[./][0-9a-f]{12,16}\.\w+$", url) is not None


WHITENOISE_IMMUTABLE_FILE_TEST = _never_changes
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
CRISPY_ALLOWED_TEMPLATE_PACKS = "bootstrap5"
CRISPY_TEMPLATE_PACK = "bootstrap5"
FORM_RENDERER = "django.forms.renderers.DjangoTemplates"

_HTTPS = SITE_URL.startswith("https://")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _HTTPS
SESSION_COOKIE_NAME = "__Host-session" if _HTTPS else "lightserv_session"
CSRF_COOKIE_NAME = "__Host-csrf" if _HTTPS else "lightserv_csrf"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SECURE_SSL_REDIRECT = _HTTPS and env.flag("SSL_REDIRECT", default=True)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _HTTPS else None
SECURE_HSTS_SECONDS = 31_536_000 if _HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = _HTTPS
SECURE_HSTS_PRELOAD = _HTTPS
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
VIEWER_COOKIE_NAME = "__Host-viewer" if _HTTPS else "lightserv_viewer"
VIEWER_COOKIE_AGE_S = env.integer("VIEWER_COOKIE_AGE", default=900, minimum=30)
VIEWER_MAX_AGE_S = env.integer("VIEWER_MAX_AGE_SECONDS", default=43_200, minimum=60)
VIEWER_TICKET_AGE_S = 60
# Who sends the bytes of volumes: the site itself, or nginx, which asks the site who may have them
# and writes down what it sent.
DATA_SERVER = env.choice("DATA_SERVER", ["django", "nginx"], default="django")
DATA_ACCESS_LOG = env.text("DATA_ACCESS_LOG", default="")
# A view that nobody looks at, and of which nothing is fetched, ends after this time.
VIEWER_IDLE_S = env.integer("VIEWER_IDLE_SECONDS", default=7_200, minimum=60)
VIEWER_START_TIMEOUT_S = env.integer("VIEWER_START_TIMEOUT", default=60, minimum=5)
# Views with a process of their own.
VIEWER_MAX_PER_USER = env.integer("VIEWER_MAX_PER_USER", default=3, minimum=1)
VIEWER_MAX_TOTAL = env.integer("VIEWER_MAX_TOTAL", default=40, minimum=1)
VIEWER_SHARE_DEFAULT_DAYS = env.integer("VIEWER_SHARE_DEFAULT_DAYS", default=14, minimum=1)
VIEWER_SHARE_MAX_DAYS = env.integer("VIEWER_SHARE_MAX_DAYS", default=90, minimum=1)
VIEWER_STATE_MAX_BYTES = env.integer("VIEWER_STATE_MAX_BYTES", default=2**20, minimum=2**14)

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "base-uri": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        "img-src": [SELF, "data:"],
        # A form whose answer redirects elsewhere is also judged by form-action.
        "form-action": [SELF, VIEWER_URL],
        "frame-ancestors": [NONE],
    }
}

DATA_ROOT = env.path("DATA_ROOT", default=VAR_DIR / "data")
DATA_GROUP = env.text("DATA_GROUP", default="")
FILE_UPLOAD_MAX_MEMORY_SIZE = 5 * 2**20
DATA_UPLOAD_MAX_NUMBER_FIELDS = 10_000

# Which code made a product; a checkout knows it, an image is told when it is built.
CODE_COMMIT = env.text("CODE_COMMIT", default=commit_of(BASE_DIR))
# The cluster named `default`; further ones are rows.
CLUSTER = env.choice("CLUSTER", ["local", "slurm-local", "slurm-ssh", "memory"], default="local")
_SLURM = CLUSTER.startswith("slurm-")
CLUSTER_HOST = env.text("CLUSTER_HOST", default="")
CLUSTER_PORT = env.integer("CLUSTER_PORT", default=22, minimum=1, maximum=65535)
CLUSTER_USER = env.text("CLUSTER_USER", default="")
CLUSTER_KEY = env.text("CLUSTER_KEY", default="")
CLUSTER_KNOWN_HOSTS = env.text("CLUSTER_KNOWN_HOSTS", default="")
CLUSTER_JUMP_HOST = env.text("CLUSTER_JUMP_HOST", default="")
CLUSTER_JUMP_KEY = env.text("CLUSTER_JUMP_KEY", default=CLUSTER_KEY)
CLUSTER_WORKDIR = env.path("CLUSTER_WORKDIR", default=VAR_DIR / "jobs")
CLUSTER_DATA_ROOT = env.path("CLUSTER_DATA_ROOT", default=DATA_ROOT)
CLUSTER_PYTHON = env.text("CLUSTER_PYTHON", default="python3" if _SLURM else "")
CLUSTER_BUILDS_ENVIRONMENT = env.flag("CLUSTER_BUILDS_ENVIRONMENT", default=True)
CLUSTER_ENVIRONMENT = env.text("CLUSTER_ENVIRONMENT", default="")
CLUSTER_PRELUDE = env.text("CLUSTER_PRELUDE", default="")
CLUSTER_SLOTS = env.integer("CLUSTER_SLOTS", default=1, minimum=1)
CLUSTER_THREADS = env.integer("CLUSTER_THREADS", default=2, minimum=1)
CLUSTER_POLL_INTERVAL_S = env.integer(
    "CLUSTER_POLL_INTERVAL", default=30 if _SLURM else 1, minimum=1
)
HEARTBEAT_LIMIT_S = env.integer("HEARTBEAT_LIMIT", default=600 if _SLURM else 120, minimum=5)
# After so many hours of silence a cluster is left alone until somebody resumes it.
CLUSTER_PAUSE_AFTER_H = env.integer("CLUSTER_PAUSE_AFTER", default=24, minimum=1)
# After so many minutes of silence operators are told.
CLUSTER_ALARM_AFTER_MIN = env.integer("CLUSTER_ALARM_AFTER", default=15, minimum=1)
# Days after which folders of jobs that are over are packed, and removed; 0: never.
JOB_FOLDERS_COMPRESS_AFTER = env.integer("JOB_FOLDERS_COMPRESS_AFTER", default=14)
JOB_FOLDERS_REMOVE_AFTER = env.integer("JOB_FOLDERS_REMOVE_AFTER", default=90)
if CLUSTER == "slurm-ssh":
    env.require(
        ["CLUSTER_HOST", "CLUSTER_USER", "CLUSTER_KEY", "CLUSTER_KNOWN_HOSTS", "CLUSTER_WORKDIR"],
        because="CLUSTER=slurm-ssh",
    )

LAUNCHER = env.choice("LAUNCHER", ["static", "process", "docker", "memory"], default="static")
LAUNCHER_URL = env.text("LAUNCHER_URL", default="")
LAUNCHER_KEYS = env.secret("LAUNCHER_KEYS", default="")
LAUNCHER_FOLDER = VAR_DIR / "processes"
DATAJOINT_ENABLED = env.flag("DATAJOINT_ENABLED", default=False)


def _without_password(url: str) -> str:
    return re.sub(r"//[^/@]*@", "//…@", url)


def _mail(url: str) -> tuple[str, dict[str, object]]:
    """Turn smtp://user:password@host:587?tls=1, file:///folder or console:// into settings."""
    parts = urlsplit(url)
    if parts.scheme == "console":
        return "django.core.mail.backends.console.EmailBackend", {}
    if parts.scheme == "file" and parts.path.strip("/") and not parts.netloc:
        folder = {"EMAIL_FILE_PATH": unquote(parts.path)}
        return "django.core.mail.backends.filebased.EmailBackend", {**folder}
    if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
        raise ImproperlyConfigured(
            f"EMAIL_URL={_without_password(url)!r} must look like smtp://host:25, smtps://host, "
            "file:///folder or console://."
        )
    values: dict[str, object] = {
        "EMAIL_HOST": parts.hostname,
        "EMAIL_PORT": parts.port or (465 if parts.scheme == "smtps" else 25),
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        "EMAIL_USE_SSL": parts.scheme == "smtps",
        "EMAIL_USE_TLS": parse_qs(parts.query).get("tls") == ["1"],
        "EMAIL_TIMEOUT": 10,
    }
    return "django.core.mail.backends.smtp.EmailBackend", values


EMAIL_BACKEND, _mail_values = _mail(env.secret("EMAIL_URL", default="console://"))
globals().update(_mail_values)
DEFAULT_FROM_EMAIL = env.text("FROM_EMAIL", default=f"lightserv@{SITE_HOST}")
MAIL_PREFIX = env.text("MAIL_PREFIX", default="[lightserv]")
STORAGE_GROUP_REMINDER = env.flag("STORAGE_GROUP_REMINDER", default=False)

Q_CLUSTER = {
    "name": "lightserv",
    "orm": "default",
    "workers": 2,
    "queue_limit": 4,
    "bulk": 1,
    "timeout": 120,
    "retry": 300,
    "max_attempts": 1,
    "ack_failures": True,
    "catch_up": False,
    "poll": 1,
}

UNFOLD = {
    **LOOK,
    "SITE_TITLE": "lightserv",
    "SITE_HEADER": "lightserv",
    "SITE_SUBHEADER": "Staff console",
    "SITE_URL": "/",
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": True,
    "SIDEBAR": {"show_search": True, "show_all_applications": True},
}

LOGGING = logging_of(debug=DEBUG)
