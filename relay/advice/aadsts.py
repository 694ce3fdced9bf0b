"""Advice by AADSTS number: what Microsoft Entra's errors mean and what to do.

Meanings are those of Microsoft's page "Microsoft Entra authentication and authorization error codes"; what to do is
ours. Two that Microsoft's table leaves between configuration and passing (50053, 90061) stand as passing here: the
relay keeps trying, and the text says what would end it.
"""

from typing import Final

from relay.advice.table import read

_APPLICATION = """
7000222 C The client secret has expired.
    Create a new one under App registrations > Certificates & secrets and put its *Value* into
    accounts.NAME.oauth.client_secret.
70002, 7000215 C The client secret is wrong.
    Put the secret's *Value* into accounts.NAME.oauth.client_secret, not its Secret ID. Entra shows the Value only
    once: if it is lost, create a new secret under App registrations > Certificates & secrets.
70001, 700016 C The application is not known in this tenant.
    Copy "Application (client) ID" and "Directory (tenant) ID" from App registrations > Overview into
    accounts.NAME.oauth.client_id and accounts.NAME.tenant. If the application belongs to another tenant, an
    administrator of this one must consent to it first.
7000218 C The request carried neither a client secret nor an assertion.
    Set accounts.NAME.oauth.client_secret. For a public client switch on App registrations > Authentication >
    Allow public client flows.
700025 C The application is a public client, which must not send a secret.
    Remove accounts.NAME.oauth.client_secret, or register the application's redirect URI under the platform Web.
7000112 C The application is disabled.
    Switch on Enterprise applications > your application > Properties > Enabled for users to sign-in.
7000229 C The application has no service principal in this tenant.
    Choose Grant admin consent under App registrations > API permissions, as an administrator of this tenant.
65001 C Nobody has consented to this permission for the application.
    Add it under App registrations > API permissions (an Application permission for client_credentials, a Delegated
    one for a user's sign-in) and choose Grant admin consent.
90094 C The permission needs an administrator's consent.
    Ask an administrator to choose Grant admin consent under App registrations > API permissions.
65005, 650056, 650057 C The permission or resource is not in the application's list.
    Add it under App registrations > API permissions (SMTP: APIs my organization uses > Office 365 Exchange Online >
    SMTP.SendAsApp, Graph: Mail.Send) and choose Grant admin consent.
70003 C The application may not use this grant.
    Check accounts.NAME.oauth.grant against what App registrations > Authentication allows.
50011 C The redirect URI is not the registered one.
    Add the platform "Mobile and desktop applications" with http://localhost under App registrations > Authentication.
"""

_ASSERTIONS = """
50012 C The client's certificate or assertion was not accepted.
    Compare the certificate's thumbprint with App registrations > Certificates & secrets > Certificates.
700027 C The client assertion is not signed with a registered certificate.
    Upload the certificate under App registrations > Certificates & secrets > Certificates, or configure the private
    key that belongs to the one there.
50013, 500133 C The assertion is invalid or outside its time.
    Set this machine's clock (NTP) and renew the assertion.
700024 C The client assertion is outside its time.
    Set this machine's clock (NTP). For a federated token, check that its file is being renewed.
50027 C The client assertion is malformed.
    Check private_key_file and certificate_file under accounts.NAME.oauth.
700021 C The client assertion names another application.
    Check accounts.NAME.oauth.client_id.
700023 C The client assertion is meant for another address than the one that was asked.
    Correct accounts.NAME.oauth.token_endpoint: it is https://login.microsoftonline.com/TENANT/oauth2/v2.0/token, and
    no proxy may change it.
50048 C Subject and issuer of the client assertion differ.
    Make both the client id: check accounts.NAME.oauth.client_id.
700030 C The certificate's subject is not authorised for the application.
    Check the trusted subjects and issuers in the application's manifest, or use a certificate that is registered.
70021, 700211, 700212, 700213 C No federated credential of the application matches the token that was presented.
    Compare issuer, subject and audience letter by letter under App registrations > Certificates & secrets >
    Federated credentials.
700229 C The federated token must be an application's own.
    Put a token that was issued to the workload, not to a user, into accounts.NAME.oauth.federated_token_file.
90061 T Entra could not reach the external issuer of the federated token.
    Make the issuer's /.well-known/openid-configuration and its keys readable from the internet.
"""

_TENANT_AND_SCOPE = """
50001, 500011 C The resource in the scope is not known in this tenant.
    Correct accounts.NAME.oauth.scopes, accounts.NAME.tenant or accounts.NAME.cloud; the scope is
    https://outlook.office365.com/.default for SMTP and https://graph.microsoft.com/.default for Graph.
70011 C The scope is not valid.
    Correct accounts.NAME.oauth.scopes: client_credentials needs one resource and /.default, such as
    https://outlook.office365.com/.default.
1002012 C An application's own token needs a scope that ends in /.default.
    Write https://outlook.office365.com/.default (SMTP) or https://graph.microsoft.com/.default (Graph) into
    accounts.NAME.oauth.scopes.
700022 C The scope names several resources.
    Leave one resource in accounts.NAME.oauth.scopes.
650052 C The tenant has no subscription to the service.
    Assign a licence with Exchange Online, or consent to the API as an administrator of this tenant.
50128, 90002 C The tenant does not exist.
    Correct accounts.NAME.tenant ("Directory (tenant) ID" or a verified domain); for a national cloud set
    accounts.NAME.cloud too.
900023 C The tenant is neither an id nor a domain name.
    Copy "Directory (tenant) ID" from App registrations > Overview into accounts.NAME.tenant.
50059 C The request names no tenant.
    Set accounts.NAME.tenant, or write the tenant into the path of accounts.NAME.oauth.token_endpoint.
50194 C The application belongs to one tenant, but /common was asked.
    Copy "Directory (tenant) ID" from App registrations > Overview into accounts.NAME.tenant.
9001023 C This grant does not work with /common or /consumers.
    Copy "Directory (tenant) ID" from App registrations > Overview into accounts.NAME.tenant.
90038 C The account belongs to a national cloud.
    Set accounts.NAME.cloud to that cloud: us-gov, us-dod or china.
900382, 900432 C This application cannot be used from another cloud.
    Register an application in the mailbox's own cloud and set accounts.NAME.cloud to that cloud.
90014, 900144 C A required field is missing from the request.
    Read above which one, and set it under accounts.NAME.oauth; a missing scope can also mean that the tenant does
    not fit the account.
9002313 C The request is malformed.
    Check accounts.NAME.oauth for stray characters, its extra_parameters above all.
500021 C Tenant restrictions, which a proxy on the way adds, block this tenant.
    Allow the tenant in that proxy's policy, or lead the relay around the proxy with [http] no_proxy.
"""

_USER = """
16000 U The account that signed in does not exist in this tenant.
    Sign in again with an account of this tenant: relay authorize NAME.
50020 C The user belongs to another tenant.
    Set accounts.NAME.tenant to the user's own tenant, or invite the user as a guest.
50034 C The user does not exist in this tenant.
    Correct accounts.NAME.username or accounts.NAME.tenant.
50053 T The account is locked after too many wrong sign-ins, or this address is blocked.
    Stop old devices that still try an old password, then wait or unblock the sign-in in the Entra admin center.
50055, 50144 U The user's password has expired.
    Change it, then sign in again: relay authorize NAME.
50056 C The user has no valid password in the directory.
    Reset the user's password.
50057 C The user is disabled.
    Enable the user. A shared mailbox's user is disabled by design: use the grant client_credentials for it.
50126 C User name or password is wrong.
    Correct accounts.NAME.username and accounts.NAME.password before wrong tries lock the account.
50105 C The user is not assigned to the application.
    Assign the user under Enterprise applications > your application > Users and groups, or switch off Assignment
    required under Properties.
50058 U Nobody is signed in.
    Sign in again: relay authorize NAME.
50132, 50133 U The session was revoked or the password changed.
    Sign in again: relay authorize NAME.
50173 U The consent was revoked, for instance by a new password.
    Sign in again: relay authorize NAME. The grant client_credentials does not depend on a user's sign-in.
70000 U The grant is invalid.
    Sign in again: relay authorize NAME. The grant client_credentials does not depend on a user's sign-in.
70008, 700082 U The refresh token has expired, or was not used for 90 days.
    Sign in again: relay authorize NAME. The grant client_credentials does not depend on a user's sign-in.
700084 U The refresh token of a single-page application lives only 24 hours.
    Register the redirect URI under "Mobile and desktop applications" or Web, then sign in again: relay authorize NAME.
50089 S The sign-in took too long.
    Start over: relay authorize NAME.
50147, 501481 S The proof of the sign-in (PKCE) is missing or does not match.
    Start over: relay authorize NAME.
54005 S The code was already redeemed.
    Start over: relay authorize NAME.
65004 S The user declined the consent.
    Start over and choose Accept: relay authorize NAME.
70018, 70019 S The device code is wrong or has expired.
    Start over: relay authorize NAME.
70016 T The user has not finished the sign-in yet.
    Finish it in the browser.
"""

_POLICY = """
50072, 50074, 50076, 50079 U The sign-in needs multi-factor authentication, which a password alone cannot give.
    Sign in again in a browser: relay authorize NAME. The grant client_credentials does not depend on a user's sign-in.
50078 U Multi-factor authentication has expired by policy.
    Sign in again: relay authorize NAME. The grant client_credentials does not depend on a user's sign-in.
50158 U A policy asks for a further check of the user.
    Sign in again in a browser: relay authorize NAME. The grant client_credentials does not depend on a user's sign-in.
70043 U The tenant's sign-in frequency has ended the session.
    Sign in again: relay authorize NAME. To keep it signed in, exclude the mailbox from that Conditional Access policy
    or use the grant client_credentials.
53011 U The user is blocked because of a risk.
    Dismiss the risk in the Entra admin center or reset the password, then sign in again: relay authorize NAME.
50097 C A policy wants a managed device.
    Exempt the application from it in Conditional Access, or use the grant client_credentials.
50131 C Conditional Access refused the sign-in.
    Look up which policy it was in the Entra admin center under Sign-in logs, and exempt the relay's account from it.
53000, 53001 C A policy wants a compliant or joined device.
    Exempt the relay's account or application from it in Conditional Access.
53003 C Conditional Access blocks the token.
    Exclude the relay's account from the policy, or add the relay's public address to it as a named location.
530032, 530035 C A security policy of the tenant, or security defaults, blocks the sign-in.
    Use OAuth and not a password, and review Entra admin center > Overview > Properties > Security defaults.
"""

_PASSING = """
90024, 50033, 50087, 90006, 90012, 90033, 90090 T Entra has passing trouble.
    Wait: the relay tries again by itself. If it lasts, look at https://status.cloud.microsoft.
50196 T Entra sees this client asking in a loop.
    Wait: the relay keeps its tokens. Find the other program that uses this application and asks for a token each time.
90055 T The tenant is throttled.
    Wait: the relay tries again by itself. Find what else asks for many tokens in this tenant.
"""

_TABLE = _APPLICATION + _ASSERTIONS + _TENANT_AND_SCOPE + _USER + _POLICY + _PASSING

CODES: Final = {int(code): advice for code, advice in read(_TABLE).items()}
