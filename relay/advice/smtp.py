"""What an SMTP reply or a broken connection means, and the next step: texts for the person who runs the relay.

Wording of the causes and commands is Microsoft's and Google's own (docs/sources.md). Nothing is decided
here: whether a message is tried again is relay.upstream.replies' business.
"""

from dataclasses import dataclass

from relay.advice.filling import filled


def family(provider: str, text: str) -> str:
    """Whose replies these are: "microsoft", "google" or "".

    A smarthost account may point at either, so the marks that each leaves in its texts count as well.
    """
    if provider in ("microsoft", "google"):
        return provider
    if "gsmtp" in text or "gcdp" in text:
        return "google"
    lower = text.lower()
    if "storedrv" in lower or ".outlook.com" in lower or "smtp; client" in lower:
        return "microsoft"
    return ""


@dataclass(frozen=True, slots=True)
class _Row:
    """Empty = any. In the advice MAILBOX stands for the account's mailbox and NAME for the account."""

    advice: str
    codes: tuple[int, ...] = ()
    statuses: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


_OAUTH_INSTEAD = "Make an [accounts.NAME.oauth] table in place of the password"
_SEND_AS = (
    "The mailbox may not send as the address in From. Allow it with `Add-RecipientPermission FROM-ADDRESS -Trustee "
    'MAILBOX -AccessRights SendAs`, or let the relay write the mailbox\'s address: sender = "force" in the '
    "client's table"
)
_PERMISSION = (
    "Exchange gives this one answer for a wrong permission, a wrong mailbox and a bad token. Check that the "
    "application has SMTP.SendAsApp with admin consent, that `New-ServicePrincipal` was given the object id of the "
    "*Enterprise application*, that `Add-MailboxPermission MAILBOX -User SERVICE-PRINCIPAL -AccessRights "
    "FullAccess` was done, and that the username is the mailbox's own address. Changes take up to 2 hours. "
    "`relay doctor NAME` puts the ids into these lines"
)

_MICROSOFT = (
    _Row(
        "SMTP AUTH is switched off for the whole tenant, and that switch governs OAuth too. Allow it for this mailbox: "
        "`Set-CASMailbox MAILBOX -SmtpClientAuthenticationDisabled $false`, or for all: "
        "`Set-TransportConfig -SmtpClientAuthenticationDisabled $false`",
        words=("disabled for the tenant",),
    ),
    _Row(
        "SMTP AUTH is switched off for this mailbox, and that switch governs OAuth too: "
        "`Set-CASMailbox MAILBOX -SmtpClientAuthenticationDisabled $false`",
        words=("disabled for the mailbox",),
    ),
    _Row(
        f"Exchange no longer takes passwords here. {_OAUTH_INSTEAD}",
        words=("basic authentication is disabled", "basic authentication is not supported"),
    ),
    _Row(
        f"The user name or the password is wrong, or the mailbox needs an app password. {_OAUTH_INSTEAD}",
        words=("user credentials were incorrect",),
    ),
    _Row(
        "Conditional Access, MFA or an authentication policy refused the sign-in. The sign-in log of MAILBOX in "
        "the Entra admin center names the policy; exclude the mailbox from it or use an application "
        "(client_credentials)",
        words=("did not meet the criteria",),
    ),
    _Row(
        "The tenant's security defaults forbid SMTP AUTH. Turn them off in the Entra admin center (Properties > Manage "
        'security defaults) and use Conditional Access instead, or set accounts.NAME.via = ["graph"]',
        words=("security defaults",),
    ),
    _Row(
        "The sign-in of MAILBOX is locked: unlock it in the Entra admin center",
        words=("account locked", "account is locked"),
    ),
    _Row(
        "The tenant's federation server (AD FS) could not be reached or does not speak HTTPS: check it",
        words=("federated sts",),
    ),
    _Row(
        "The relay has not logged in, or its login was refused. Check that accounts.NAME has an oauth table or a "
        "password",
        codes=(530,),
    ),
    _Row(
        'The token has too little time left for High Volume Email: set refresh_margin = "20m" in [accounts.NAME.oauth]',
        words=("token will expire soon",),
    ),
    _Row(
        "The token lacks the right for High Volume Email: give the application Office 365 Exchange Online > "
        "Mail.Send and run `Add-HVEAppAccess -Identity MAILBOX -AppIds OBJECT-ID-OF-THE-ENTERPRISE-APPLICATION`",
        statuses=("5.7.144", "5.7.240"),
    ),
    _Row(
        "High Volume Email reaches internal recipients only: send to others through an account on smtp.office365.com",
        statuses=("5.5.105",),
    ),
    _Row(_PERMISSION, codes=(535,)),
    _Row(
        "More connections than the three that Exchange allows a mailbox: lower accounts.NAME.concurrency, "
        "or stop what else sends from MAILBOX",
        codes=(432,),
    ),
    _Row(
        "The mailbox has reached its limit of recipients for 24 hours (10,000). The mail waits; spread the load over "
        "more mailboxes or use High Volume Email",
        words=("submissionquotaexceeded", "submission quota exceeded", "daily limit for message recipients"),
    ),
    _Row(_SEND_AS, words=("sendasdenied",)),
    _Row(_SEND_AS, statuses=("5.7.60",)),
    _Row(
        "The mailbox is full: clean it up, or keep no copies of sent mail: "
        "`Set-Mailbox MAILBOX -MessageCopyForSMTPClientSubmissionEnabled $false`",
        statuses=("5.2.2",),
        words=("storedrv", "shutoffquotaexceeded", "mailbox full"),
    ),
    _Row(
        "Microsoft has blocked the mailbox for sending spam: find out why, then release MAILBOX under Restricted "
        "entities in the Defender portal",
        statuses=("5.1.8", "5.7.501", "5.7.502", "5.7.503"),
    ),
    _Row(
        "Microsoft has blocked sending for the whole tenant. Find the cause (often a compromised mailbox), then ask "
        "Microsoft support to lift the block",
        statuses=("5.7.705",),
    ),
    _Row(
        "Microsoft distrusts the tenant or its address, as it does with trial tenants: ask Microsoft support",
        statuses=("5.7.708",),
    ),
    _Row(
        "The domain in From is not one of the tenant's accepted domains: add it in the Microsoft 365 admin center",
        statuses=("5.7.750",),
    ),
    _Row(
        "The tenant has reached its limit of external recipients for 24 hours. The mail waits; more licences raise "
        "the limit",
        statuses=("5.7.232", "5.7.233"),
    ),
    _Row(
        "A sender in an onmicrosoft.com domain may reach 100 external recipients a day: send from a domain of your own",
        statuses=("5.7.236",),
    ),
    _Row(
        "The message is larger than the mailbox may send: `Set-Mailbox MAILBOX -MaxSendSize 150MB` raises the limit",
        statuses=("5.3.4",),
    ),
    _Row(
        "The message has been round in a circle: look for a rule or connector that sends it back", statuses=("5.4.14",)
    ),
    _Row("The From header is missing or is no address: set it in the application", statuses=("5.7.512",)),
    _Row("The message has two From addresses and no Sender: set Sender in the application", statuses=("5.1.20",)),
    _Row(
        "No connector of the tenant fits this host's address or certificate: check the inbound connector in the "
        "Exchange admin center, and that accounts.NAME.host is the tenant's own MX name",
        statuses=("5.7.64", "4.4.62"),
    ),
    _Row(
        "The tenant refuses Direct Send: make an inbound connector for this host, send through smtp.office365.com with "
        "OAuth, or run `Set-OrganizationConfig -RejectDirectSend $false`",
        statuses=("5.7.68",),
    ),
    _Row("The EHLO name is not accepted: set `hostname` to this host's own public name", statuses=("5.7.506",)),
    _Row(
        "Microsoft slows this host's address down; it passes by itself when less is sent",
        words=("access denied, please try again",),
    ),
)

_GOOGLE = (
    _Row(
        "The mailbox has reached Gmail's daily limit. The mail waits; the lock lasts up to 24 hours",
        statuses=("5.4.5",),
    ),
    _Row("The customer's daily limit of the Gmail relay is reached. The mail waits", words=("smtp relay limit",)),
    _Row(
        "The Gmail relay does not know this host: add its address under Apps > Gmail > Routing > SMTP relay service",
        words=("mail relay denied", "invalid credentials for relay"),
    ),
    _Row("Too many logins: Gmail wants a rest of ten minutes or more, and gets it", codes=(454,), statuses=("4.7.0",)),
    _Row('Gmail asks for TLS: set accounts.NAME.tls = "starttls" or "implicit"', words=("starttls", "tls required")),
    _Row(
        "Gmail takes no ordinary password: use OAuth, or an app password of the mailbox",
        codes=(534,),
    ),
    _Row(
        "Gmail refused the login. With OAuth: the token needs the scope https://mail.google.com/ and the username "
        "must be the mailbox it was given for. With a password: use an app password",
        codes=(535,),
    ),
    _Row("The relay has not logged in: give accounts.NAME an oauth table or a password", codes=(530,)),
    _Row("Gmail refuses the EHLO name: set `hostname` to this host's public name", codes=(501,), statuses=("5.5.4",)),
    _Row(
        "Gmail finds no SPF or DKIM that fits the sender's domain: set them up there",
        statuses=("5.7.26", "5.7.27", "5.7.30"),
    ),
    _Row("Gmail blocked the message for its content, such as an attached program", codes=(552,), statuses=("5.7.0",)),
    _Row("The message is larger than Gmail takes (25 MB of attachments)", codes=(552,), statuses=("5.2.3", "5.3.4")),
    _Row(
        "Gmail's rules for From and Message-ID are not met, or it takes the message for spam: compare the text of "
        "the reply",
        codes=(550,),
        statuses=("5.7.1",),
    ),
)

_ANY = (
    _Row(
        "The server refused the user name or the password: check accounts.NAME.username and its password", codes=(535,)
    ),
    _Row("The server wants a stronger login or TLS: check accounts.NAME.tls and its login", codes=(534, 538)),
    _Row("The server wants a login: give accounts.NAME a username and a password", codes=(530,)),
    _Row("The message is larger than the server takes", statuses=("5.3.4", "5.2.3")),
)


def hint(code: int, status: str, text: str, provider: str, *, mailbox: str = "", account: str = "") -> str:
    """Cause and next step for a reply, "" when its own text says all there is to say."""
    words = text.lower()
    rows = {"microsoft": _MICROSOFT, "google": _GOOGLE}.get(family(provider, text), ())
    for row in (*rows, *_ANY):
        if (
            (not row.codes or code in row.codes)
            and (not row.statuses or status in row.statuses)
            and (not row.words or any(word in words for word in row.words))
        ):
            return filled(row.advice, mailbox, account)
    return ""
