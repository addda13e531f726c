import java.sql.*;

/** What JDBC's metadata give through jTDS: arguments are the URL, user and password. */
public class Catalog {
	static void show(String what, ResultSet rows, String... columns) throws SQLException {
		StringBuilder line = new StringBuilder(what).append(":");
		while (rows.next()) {
			line.append(line.charAt(line.length() - 1) == ':' ? "" : ";");
			for (String column : columns) {
				line.append(" ").append(rows.getString(column));
			}
		}
		System.out.println(line);
		rows.close();
	}

	public static void main(String[] args) throws Exception {
		Class.forName("net.sourceforge.jtds.jdbc.Driver"); // Debian's archive does not announce it
		try (Connection connection = DriverManager.getConnection(args[0], args[1], args[2])) {
			DatabaseMetaData catalog = connection.getMetaData();
			System.out.println("product: " + catalog.getDatabaseProductName() + " " + catalog.getDatabaseMajorVersion());
			show("catalogs", catalog.getCatalogs(), "TABLE_CAT");
			show("schemas", catalog.getSchemas(), "TABLE_SCHEM");
			show("views", catalog.getTables(null, null, "refresh\\_data%", new String[] {"VIEW"}), "TABLE_CAT", "TABLE_SCHEM", "TABLE_NAME", "TABLE_TYPE");
			show("tables", catalog.getTables("Sales", "%", "%", new String[] {"TABLE"}), "TABLE_SCHEM", "TABLE_NAME");
			show("columns", catalog.getColumns("Sales", "dbo", "refresh_dataflow", "%"), "COLUMN_NAME", "DATA_TYPE", "TYPE_NAME", "COLUMN_SIZE", "ORDINAL_POSITION");
			show("procedures", catalog.getProcedures(null, null, "cancel%"), "PROCEDURE_NAME");
			show("parameters", catalog.getProcedureColumns(null, null, "get_dataflows", "%"), "COLUMN_NAME", "COLUMN_TYPE", "TYPE_NAME");
			show("keys", catalog.getPrimaryKeys(null, "dbo", "endpoints"));
			show("imported", catalog.getImportedKeys(null, "dbo", "endpoints"));
			show("exported", catalog.getExportedKeys(null, "dbo", "endpoints"));
			show("best", catalog.getBestRowIdentifier(null, "dbo", "endpoints", DatabaseMetaData.bestRowSession, true));
			show("index", catalog.getIndexInfo(null, "dbo", "endpoints", false, true), "TABLE_NAME", "TYPE");
			show("privileges", catalog.getTablePrivileges(null, "dbo", "endpoints"), "GRANTEE", "PRIVILEGE");
			show("types", catalog.getTypeInfo(), "TYPE_NAME");
			PreparedStatement prepared = connection.prepareStatement("SELECT name FROM sys.views WHERE name LIKE ? ORDER BY name");
			prepared.setString(1, "cancel%");
			show("prepared", prepared.executeQuery(), "name");
		}
	}
}
