// What pgjdbc answers of the metadata of a server, one line a fact, for check.py to compare.
import java.sql.*;
import java.util.*;

public class Jdbc {
    static void rows(String name, ResultSet rows, String... columns) throws SQLException {
        List<String> lines = new ArrayList<>();
        while (rows.next()) {
            List<String> cells = new ArrayList<>();
            for (String column : columns) cells.add(String.valueOf(rows.getString(column)));
            lines.add(String.join("|", cells));
        }
        rows.close();
        for (String line : lines) System.out.println(name + "\t" + line);
        System.out.println(name + "\t= " + lines.size());
    }

    interface Body { void run() throws Exception; }

    static void part(String name, Body body) {
        try {
            body.run();
        } catch (Exception e) {
            System.out.println(name + "\tfailed: " + e.getMessage());
        }
    }

    public static void main(String[] args) throws Exception {
        Properties settings = new Properties();
        settings.setProperty("user", args[1]);
        if (args.length > 2) settings.setProperty("password", args[2]);
        Connection connection = DriverManager.getConnection(args[0], settings);
        DatabaseMetaData meta = connection.getMetaData();
        part("product", () -> System.out.println("product\t" + meta.getDatabaseProductName()));
        part("keywords", () -> System.out.println("keywords\t" + (meta.getSQLKeywords().length() > 100)));
        part("namelength", () -> System.out.println("namelength\t" + meta.getMaxTableNameLength()));
        part("schemas", () -> rows("schemas", meta.getSchemas(), "TABLE_SCHEM"));
        part("catalogs", () -> System.out.println("catalogs\t" + meta.getCatalogs().next()));
        part("tabletypes", () -> meta.getTableTypes().close());
        part("tables", () -> rows("tables", meta.getTables(null, "public", "%", null), "TABLE_SCHEM", "TABLE_NAME", "TABLE_TYPE"));
        part("tables.some", () -> rows("tables.some", meta.getTables(null, null, "work%", new String[] {"TABLE", "VIEW"}), "TABLE_SCHEM", "TABLE_NAME", "TABLE_TYPE"));
        part("columns", () -> rows("columns", meta.getColumns(null, "public", "%", "%"), "TABLE_NAME", "COLUMN_NAME", "DATA_TYPE", "TYPE_NAME", "COLUMN_SIZE", "NULLABLE", "ORDINAL_POSITION", "IS_AUTOINCREMENT"));
        part("primary", () -> rows("primary", meta.getPrimaryKeys(null, "public", "workflow_sessions"), "COLUMN_NAME"));
        part("imported", () -> rows("imported", meta.getImportedKeys(null, "public", "workflow_sessions"), "PKTABLE_NAME"));
        part("exported", () -> rows("exported", meta.getExportedKeys(null, "public", "workflow_sessions"), "PKTABLE_NAME"));
        part("index", () -> rows("index", meta.getIndexInfo(null, "public", "workflow_sessions", false, true), "INDEX_NAME"));
        part("best", () -> rows("best", meta.getBestRowIdentifier(null, "public", "workflow_sessions", 0, true), "COLUMN_NAME"));
        part("version", () -> rows("version", meta.getVersionColumns(null, "public", "workflow_sessions"), "DATA_TYPE"));
        part("functions", () -> meta.getFunctions(null, "public", "%").close());
        part("procedures", () -> rows("procedures", meta.getProcedures(null, "public", "%"), "PROCEDURE_NAME"));
        part("procedurecolumns", () -> rows("procedurecolumns", meta.getProcedureColumns(null, "public", "%", "%"), "PROCEDURE_NAME"));
        part("functioncolumns", () -> meta.getFunctionColumns(null, "pg_catalog", "a%", "%").close());
        part("types", () -> {
            ResultSet types = meta.getTypeInfo();
            Set<String> seen = new TreeSet<>();
            while (types.next()) seen.add(types.getString("TYPE_NAME") + "|" + types.getString("DATA_TYPE"));
            for (String name : List.of("text|12", "int8|-5", "float8|8", "timestamptz|93", "bool|-7", "bytea|-2", "numeric|2"))
                System.out.println("types\t" + name + " " + seen.contains(name));
        });
        part("udts", () -> rows("udts", meta.getUDTs(null, "public", "%", null), "TYPE_NAME"));
        part("tableprivileges", () -> meta.getTablePrivileges(null, "public", "workflow_sessions").close());
        part("columnprivileges", () -> meta.getColumnPrivileges(null, "public", "workflow_sessions", "%").close());
        part("functionterms", () -> System.out.println("functionterms\t" + meta.getStringFunctions().contains("concat")));
        part("clientinfo", () -> meta.getClientInfoProperties().close());
        part("schema", () -> System.out.println("schema\t" + connection.getSchema()));
        part("isolation", () -> System.out.println("isolation\t" + connection.getTransactionIsolation()));
        part("result", () -> {
            Statement statement = connection.createStatement();
            ResultSetMetaData shape = statement.executeQuery("select session_id, started_at, time_in_workflow from workflow_sessions limit 1").getMetaData();
            for (int i = 1; i <= shape.getColumnCount(); i++)
                System.out.println("result\t" + shape.getColumnName(i) + "|" + shape.getColumnTypeName(i) + "|" + shape.isAutoIncrement(i));
            statement.close();
        });
        part("fetch", () -> {
            connection.setAutoCommit(false);
            Statement statement = connection.createStatement();
            statement.setFetchSize(7);
            ResultSet rows = statement.executeQuery("select session_id from workflow_sessions order by session_id");
            int count = 0;
            String last = "";
            while (rows.next()) { count++; last = rows.getString(1); }
            System.out.println("fetch\t" + count + " " + last);
            statement.close();
            connection.rollback();
            connection.setAutoCommit(true);
        });
        part("prepared", () -> {
            // From the fifth execution on the driver asks for binary results of a named statement.
            PreparedStatement statement = connection.prepareStatement("select count(*), max(time_in_workflow), max(started_at), min(session_id) from workflow_sessions where communication_type = ? and time_in_workflow > ?");
            for (int i = 0; i < 8; i++) {
                statement.setString(1, "Phone");
                statement.setDouble(2, 1.5);
                ResultSet row = statement.executeQuery();
                row.next();
                System.out.println("prepared\t" + row.getLong(1) + " " + row.getDouble(2) + " " + row.getTimestamp(3).getTime() + " " + row.getString(4));
            }
            statement.close();
        });
        part("error", () -> {
            try {
                connection.createStatement().executeQuery("select nothing_of_this_name from workflow_sessions");
            } catch (SQLException e) {
                System.out.println("error\t" + e.getSQLState());
            }
        });
        connection.close();
    }
}
