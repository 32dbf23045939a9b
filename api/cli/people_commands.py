"""`seogo accounts`, `seogo groups` and `seogo grants`, as the command line declares them; `people.py` does them."""

from __future__ import annotations

from typing import Annotated

import typer

accounts_app = typer.Typer(
    help="Accounts of people and services: create, list, show, set, suspend, resume, delete.", no_args_is_help=True
)
groups_app = typer.Typer(help="Groups: create, list, members, add, remove, delete.", no_args_is_help=True)
grants_app = typer.Typer(help="Roles: add, list, remove.", no_args_is_help=True)

TenantOption = Annotated[str, typer.Option(help="Name of the tenant.")]
MadeTenantOption = Annotated[str, typer.Option(help="Tenant, made when it does not exist.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
AccountArgument = Annotated[str, typer.Argument(help="User name or id.")]
GroupArgument = Annotated[str, typer.Argument(help="Name or id of the group.")]
MemberArgument = Annotated[str, typer.Argument(help="user:NAME or group:NAME; ids do too.")]
AttributeOption = Annotated[
    list[str] | None, typer.Option("--attribute", "-a", help="name=value; may be repeated. All of them when it is set.")
]
ClearanceOption = Annotated[str | None, typer.Option(help="O, S or C: reads documents up to this label.")]


@accounts_app.command("create")
def accounts_create(
    context: typer.Context,
    user_name: Annotated[str, typer.Argument(help="Unique in the tenant.")],
    tenant: MadeTenantOption = "default",
    service: Annotated[bool, typer.Option("--service", help="A service, not a person.")] = False,
    admin: Annotated[bool, typer.Option("--admin", help="Make it administrator of the tenant.")] = False,
    display_name: Annotated[str, typer.Option("--name", help="For people to read.")] = "",
    email: Annotated[str, typer.Option(help="E-mail address.")] = "",
    attributes: AttributeOption = None,
    clearance: ClearanceOption = None,
) -> None:
    """Make an account and print its id. There are no passwords: give it a key, or let it sign in with a provider."""
    from api.cli.people import NewAccount, create_account

    wanted = NewAccount(user_name, service, admin, display_name, email, attributes or [], clearance)
    create_account(context.obj, tenant, wanted)


@accounts_app.command("list")
def accounts_list(context: typer.Context, tenant: TenantOption = "default", as_json: JsonOption = False) -> None:
    """Show the accounts."""
    from api.cli.people import list_accounts

    list_accounts(context.obj, tenant, as_json)


@accounts_app.command("show")
def accounts_show(context: typer.Context, account: AccountArgument, tenant: TenantOption = "default") -> None:
    """Show an account as JSON, with its groups and roles."""
    from api.cli.people import show_account

    show_account(context.obj, tenant, account)


@accounts_app.command("set")
def accounts_set(
    context: typer.Context,
    account: AccountArgument,
    tenant: TenantOption = "default",
    display_name: Annotated[str | None, typer.Option("--name", help="For people to read.")] = None,
    email: Annotated[str | None, typer.Option(help="E-mail address.")] = None,
    attributes: AttributeOption = None,
    clearance: ClearanceOption = None,
) -> None:
    """Change an account; what is left out stays."""
    from api.cli.people import set_account

    set_account(context.obj, tenant, account, display_name, email, attributes, clearance)


@accounts_app.command("suspend")
def accounts_suspend(context: typer.Context, account: AccountArgument, tenant: TenantOption = "default") -> None:
    """Take none of its credentials any more; its open streams end within a second."""
    from api.cli.people import suspend_account

    suspend_account(context.obj, tenant, account, suspended=True)


@accounts_app.command("resume")
def accounts_resume(context: typer.Context, account: AccountArgument, tenant: TenantOption = "default") -> None:
    """End a suspension."""
    from api.cli.people import suspend_account

    suspend_account(context.obj, tenant, account, suspended=False)


@accounts_app.command("delete")
def accounts_delete(context: typer.Context, account: AccountArgument, tenant: TenantOption = "default") -> None:
    """Delete an account, with its keys, roles and memberships. What is on record of it stays."""
    from api.cli.people import delete_account

    delete_account(context.obj, tenant, account)


@groups_app.command("create")
def groups_create(context: typer.Context, name: str, tenant: MadeTenantOption = "default") -> None:
    """Make a group and print its id."""
    from api.cli.people import create_group

    create_group(context.obj, tenant, name)


@groups_app.command("list")
def groups_list(context: typer.Context, tenant: TenantOption = "default", as_json: JsonOption = False) -> None:
    """Show the groups."""
    from api.cli.people import list_groups

    list_groups(context.obj, tenant, as_json)


@groups_app.command("members")
def groups_members(context: typer.Context, group: GroupArgument, tenant: TenantOption = "default") -> None:
    """Show who was put into a group, one a line, as `add` takes them."""
    from api.cli.people import list_members

    list_members(context.obj, tenant, group)


@groups_app.command("add")
def groups_add(
    context: typer.Context, group: GroupArgument, member: MemberArgument, tenant: TenantOption = "default"
) -> None:
    """Put an account or a group into a group."""
    from api.cli.people import change_members

    change_members(context.obj, tenant, group, member, put=True)


@groups_app.command("remove")
def groups_remove(
    context: typer.Context, group: GroupArgument, member: MemberArgument, tenant: TenantOption = "default"
) -> None:
    """Take an account or a group out of a group."""
    from api.cli.people import change_members

    change_members(context.obj, tenant, group, member, put=False)


@groups_app.command("delete")
def groups_delete(context: typer.Context, group: GroupArgument, tenant: TenantOption = "default") -> None:
    """Delete a group, with its roles. Who was in it stays."""
    from api.cli.people import delete_group

    delete_group(context.obj, tenant, group)


@grants_app.command("add")
def grants_add(
    context: typer.Context,
    subject: Annotated[
        str, typer.Argument(help="user:NAME, group:NAME, attribute:name=value, or everyone; ids do too.")
    ],
    role: Annotated[str, typer.Argument(help="viewer, contributor, curator or admin")],
    collection: Annotated[
        str | None, typer.Option("--collection", "-c", help="Name or id; the whole tenant when left out.")
    ] = None,
    tenant: TenantOption = "default",
) -> None:
    """Grant a role and print the grant's id. The first administrator of a tenant is made so."""
    from api.cli.people import add_grant

    add_grant(context.obj, tenant, subject, role, collection)


@grants_app.command("list")
def grants_list(context: typer.Context, tenant: TenantOption = "default", as_json: JsonOption = False) -> None:
    """Show who has which role where."""
    from api.cli.people import list_grants

    list_grants(context.obj, tenant, as_json)


@grants_app.command("remove")
def grants_remove(
    context: typer.Context,
    grant: Annotated[str, typer.Argument(help="Id of the grant.")],
    tenant: TenantOption = "default",
) -> None:
    """Take a role back."""
    from api.cli.people import remove_grant

    remove_grant(context.obj, tenant, grant)
