import java.sql.Array;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.util.Properties;

/** Uses the PostgreSQL JDBC driver as applications do, and prints what it got. Arguments: URL, user, `refusals`; the password is in the environment. */
class Drive {
  public static void main(String[] arguments) throws Exception {
    Properties properties = new Properties();
    properties.setProperty("user", arguments[1]);
    properties.setProperty("password", System.getenv("PASSWORD"));
    // switches to named statements and binary results at once
    properties.setProperty("prepareThreshold", "1");
    properties.setProperty("ApplicationName", "drive");
    try (Connection connection = DriverManager.getConnection(arguments[0], properties)) {
      metadata(connection);
      prepared(connection);
      batch(connection);
      cursor(connection);
      transactions(connection);
      cancel(connection);
      if (arguments.length > 2) refused(connection);
      alive(connection);
    }
  }

  static void metadata(Connection connection) throws SQLException {
    DatabaseMetaData data = connection.getMetaData();
    System.out.println("server " + data.getDatabaseProductVersion().split(" ")[0]);
    try (ResultSet columns = data.getColumns(null, "public", "items", null)) {
      while (columns.next()) System.out.println("column " + columns.getString("COLUMN_NAME") + " " + columns.getString("TYPE_NAME"));
    }
    try (ResultSet keys = data.getPrimaryKeys(null, "public", "items")) {
      while (keys.next()) System.out.println("key " + keys.getString("COLUMN_NAME"));
    }
  }

  static void prepared(Connection connection) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement("select id, name, price, tags, made from items where id = ?")) {
      for (int id = 1; id <= 3; id++) {
        statement.setInt(1, id);
        try (ResultSet row = statement.executeQuery()) {
          row.next();
          Array tags = row.getArray("tags");
          System.out.println("item " + row.getInt("id") + " " + row.getString("name") + " " + row.getBigDecimal("price") + " " + String.join("+", (String[]) tags.getArray()) + " " + row.getDate("made"));
        }
      }
    }
  }

  static void batch(Connection connection) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement("insert into items (id, name) values (?, ?)")) {
      for (int id = 100; id < 150; id++) {
        statement.setInt(1, id);
        statement.setString(2, "batch " + id);
        statement.addBatch();
      }
      System.out.println("batch " + statement.executeBatch().length);
    }
    try (PreparedStatement statement = connection.prepareStatement("insert into items (name) values (?)", Statement.RETURN_GENERATED_KEYS)) {
      statement.setString(1, "generated");
      statement.executeUpdate();
      try (ResultSet keys = statement.getGeneratedKeys()) {
        System.out.println("generated " + keys.next());
      }
    }
  }

  static void cursor(Connection connection) throws SQLException {
    connection.setAutoCommit(false);
    try (Statement statement = connection.createStatement()) {
      statement.setFetchSize(7);
      int rows = 0;
      try (ResultSet all = statement.executeQuery("select id from items order by id")) {
        while (all.next()) rows++;
      }
      System.out.println("cursor " + rows);
    }
    connection.commit();
    connection.setAutoCommit(true);
  }

  static void transactions(Connection connection) throws SQLException {
    connection.setAutoCommit(false);
    try (Statement statement = connection.createStatement()) {
      statement.executeUpdate("update items set price = 1 where id = 1");
      Savepoint savepoint = connection.setSavepoint();
      try {
        statement.executeUpdate("insert into items (id, name) values (1, 'again')");
      } catch (SQLException error) {
        System.out.println("error " + error.getSQLState());
        connection.rollback(savepoint);
      }
      connection.rollback();
    }
    connection.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
    connection.setAutoCommit(true);
    System.out.println("isolation " + connection.getTransactionIsolation());
    System.out.println("valid " + connection.isValid(2));
    connection.setClientInfo("ApplicationName", "renamed");
    System.out.println("named " + connection.getClientInfo("ApplicationName"));
  }

  static void cancel(Connection connection) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      statement.setQueryTimeout(1);
      statement.execute("select pg_sleep(30)");
    } catch (SQLException error) {
      System.out.println("timeout " + error.getSQLState());
    }
  }

  static void refused(Connection connection) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      statement.execute("listen news");
    } catch (SQLException error) {
      System.out.println("refused " + error.getSQLState());
    }
  }

  static void alive(Connection connection) throws SQLException {
    try (Statement statement = connection.createStatement(); ResultSet one = statement.executeQuery("select 1")) {
      one.next();
      System.out.println("alive " + one.getInt(1));
    }
  }
}
