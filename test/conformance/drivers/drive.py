"""Uses psycopg 3 and psycopg2 as applications do, and prints what they got. Arguments: a connection string, `refusals`."""

import datetime
import decimal
import sys

import psycopg
import psycopg2
import psycopg2.extras


def show(*words):
    print(*words, flush=True)


def modern(conninfo):
    with psycopg.connect(conninfo, autocommit=True, prepare_threshold=0) as connection:
        for binary in (False, True):
            with connection.cursor(binary=binary) as cursor:
                cursor.execute("select id, name, price, tags, doc, made from items where id = %s", (1,))
                show("item", cursor.fetchone())
                cursor.execute("select %s::int, %s::text, %s::numeric, %s::date, %s::int[], %s::bool", (1, "it's", decimal.Decimal("1.50"), datetime.date(2024, 2, 29), [1, 2], True))
                show("values", cursor.fetchone())
        with connection.transaction():
            connection.execute("insert into items (id, name) values (200, 'two hundred')")
            try:
                with connection.transaction():
                    connection.execute("insert into items (id, name) values (200, 'again')")
            except psycopg.errors.UniqueViolation as error:
                show("error", error.sqlstate, error.diag.constraint_name)
        with connection.cursor() as cursor:
            cursor.executemany("insert into items (id, name) values (%s, %s) returning id", [(201, "a"), (202, "b")], returning=True)
            show("many", cursor.fetchone(), cursor.nextset(), cursor.fetchone())
        with connection.transaction(), connection.cursor("named") as cursor:
            cursor.execute("select id from items order by id")
            show("cursor", len(cursor.fetchmany(2)), cursor.fetchone())
        if psycopg.Pipeline.is_supported():
            with connection.pipeline():
                cursors = [connection.execute("select %s::int * 2", (number,)) for number in range(20)]
            show("pipeline", [cursor.fetchone()[0] for cursor in cursors])
        if "refusals" in sys.argv:
            refused(connection)
        show("alive", connection.execute("select 1").fetchone(), connection.info.transaction_status.name)


def refused(connection):
    for statement in ("copy items to stdout", "listen news", "notify news"):
        try:
            connection.execute(statement)
        except psycopg.Error as error:
            show("refused", error.sqlstate)
    try:
        with connection.cursor() as cursor, cursor.copy("copy items from stdin") as copy:
            copy.write_row((1,))
    except psycopg.Error as error:
        show("refused", error.sqlstate)


def classic(conninfo):
    connection = psycopg2.connect(conninfo)
    with connection, connection.cursor() as cursor:
        cursor.execute("select id, name, price, tags, doc, made from items where id = any(%s) order by id", ([1, 2],))
        show("classic", cursor.fetchall(), [column.name for column in cursor.description])
        psycopg2.extras.execute_values(cursor, "insert into items (id, name) values %s", [(300, "x"), (301, "y")])
        cursor.execute("select count(*) from items where id >= 300")
        show("inserted", cursor.fetchone())
    with connection, connection.cursor("named") as cursor:
        cursor.itersize = 2
        cursor.execute("select id from items order by id limit 5")
        show("iterated", [row[0] for row in cursor])
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("update items set name = 'gone' where id = 1")
            cursor.execute("select 1/0")
    except psycopg2.Error as error:
        show("rolled back", error.pgcode)
    with connection, connection.cursor() as cursor:
        cursor.execute("do $$ begin raise notice 'noted'; end $$")
        show("notices", connection.notices[-1:])
    connection.set_session(isolation_level="SERIALIZABLE", readonly=True)
    with connection, connection.cursor() as cursor:
        cursor.execute("show transaction_isolation")
        show("isolation", cursor.fetchone())
    connection.close()


modern(sys.argv[1])
classic(sys.argv[1])
